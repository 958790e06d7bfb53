// A ray tracer's work: spheres that mirror each other, a bent torus, a checkered floor with a wrinkled surface.
#version 3.7;
global_settings { assumed_gamma 1.0 max_trace_level 8 }
camera { location <0, 3, -9> look_at <0, 1, 0> }
light_source { <20, 30, -20> color rgb 1 }
light_source { <-15, 10, -5> color rgb <0.4, 0.4, 0.6> }
plane { y, 0 pigment { checker color rgb 0.9 color rgb 0.2 } normal { bumps 0.3 scale 0.4 } finish { reflection 0.2 } }
#declare I = 0;
#while (I < 24)
  sphere {
    <3.2 * cos(I * 0.7), 0.5 + mod(I, 5) * 0.6, 3.2 * sin(I * 0.7)>, 0.55
    pigment { color rgb <0.3 + 0.7 * abs(sin(I)), 0.5, 0.3 + 0.7 * abs(cos(I))> }
    finish { phong 0.8 reflection 0.4 }
  }
  #declare I = I + 1;
#end
torus { 1.5, 0.35 rotate x * 60 translate y * 1.8 pigment { marble turbulence 0.7 } finish { phong 0.5 } }

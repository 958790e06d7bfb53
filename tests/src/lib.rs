//! Tests of Handset as a whole: house rules, instruction vectors, boots.

//! A picture of the table: a bar for each row, as long as Handset is faster, on a logarithmic scale; SVG 1.1.

use super::table::Row;
use super::work::CLASSES;
use std::fmt::Write;

const LEFT: f64 = 300.0;
const WIDTH: f64 = 900.0;
const LINE: f64 = 18.0;
/// The scale's ends, in times as fast as QEMU.
const FROM: f64 = 0.5;
const TO: f64 = 64.0;

fn x(ratio: f64) -> f64 {
    LEFT + (WIDTH - LEFT - 50.0) * (ratio.clamp(FROM, TO) / FROM).ln() / (TO / FROM).ln()
}

/// Draws the rows, a colour for each class.
pub fn draw(rows: &[Row]) -> String {
    let height = LINE * (rows.len() as f64 + 4.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"{LINE}\" font-size=\"14\">times as fast as QEMU</text>\n"
    );
    let mut line = |text: String| writeln!(svg, "{text}").expect("a String takes all text");
    let (top, bottom) = (LINE * 2.0, height - LINE);
    let mut mark = FROM;
    while mark <= TO {
        let (at, colour) = (x(mark), if mark == 1.0 { "black" } else { "#ccc" });
        line(format!("<path d=\"M{at:.1} {top} V{bottom}\" stroke=\"{colour}\"/>"));
        line(format!("<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{mark}×</text>", bottom + LINE * 0.8));
        mark *= 2.0;
    }
    for (number, row) in rows.iter().enumerate() {
        let class = CLASSES.iter().position(|class| *class == row.class).unwrap_or(0);
        let hue = class * 360 / CLASSES.len();
        let y = top + LINE * number as f64;
        let (one, end) = (x(1.0), x(row.ratio()));
        let (text, name) = (y + LINE * 0.75, escape(&row.name));
        line(format!("<text x=\"{}\" y=\"{text:.1}\" text-anchor=\"end\">{name}</text>", LEFT - 8.0));
        line(format!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"hsl({hue},55%,55%)\"/>",
            one.min(end),
            y + 2.0,
            (end - one).abs(),
            LINE - 4.0
        ));
        line(format!("<text x=\"{:.1}\" y=\"{text:.1}\">{:.1}×</text>", one.max(end) + 4.0, row.ratio()));
    }
    svg + "</svg>\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::super::emulator::Emulator;
    use super::super::table::Spread;
    use super::super::work::Class;
    use super::*;

    #[test]
    fn a_bar_grows_with_the_ratio_and_stays_in_the_picture() {
        assert!(x(1.0) < x(2.0) && x(2.0) < x(4.0));
        assert!((x(4.0) - x(2.0) - (x(2.0) - x(1.0))).abs() < 1e-9);
        assert!(x(1e9) < WIDTH && x(0.0) >= LEFT);
    }

    #[test]
    fn a_row_is_a_named_bar() {
        let of = |median| Spread { median, low: median, high: median };
        let name = "a <b> & c".to_owned();
        let row = Row {
            class: Class::Memory,
            name,
            ours: of(1.0),
            theirs: of(3.0),
            peer: Emulator::QemuMax,
            ours_cpu: 1.0,
            theirs_cpu: 3.0,
            same: true,
        };
        let svg = draw(&[row]);
        assert!(svg.contains(">a &lt;b> &amp; c</text>") && svg.contains(">3.0×</text>"), "{svg}");
    }
}

//! Writes every micro-benchmark's image, `NAME.img`, into a folder, and prints a line for each: name, operations, CPUs and
//! what an operation is, with tabs between.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let dir = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".into()));
    std::fs::create_dir_all(&dir)?;
    for micro in firmware::micros() {
        std::fs::write(dir.join(format!("{}.img", micro.name)), micro.image())?;
        println!("{}\t{}\t{}\t{}", micro.name, micro.operations, micro.cpus, micro.operation);
    }
    Ok(())
}

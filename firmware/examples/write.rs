//! Writes every program's image into a folder, for trying them on another emulator.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let dir = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".into()));
    std::fs::create_dir_all(&dir)?;
    for program in firmware::programs() {
        std::fs::write(dir.join(format!("{}.img", program.name)), program.image)?;
    }
    Ok(())
}

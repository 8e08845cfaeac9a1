//! Links the probes with the unwinder inside: to find and load `libgcc_s` costs such a short program a tenth of
//! a millisecond and a hundred KiB. Where there is no such archive, they load the library as usual.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROBES: [&str; 3] = ["check_plms_timer", "check_plms_exit", "check_plms_freshness"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |key: &str, want: &str| env::var(key).is_ok_and(|value| value == want);
    // The compiler of another machine's programs is not `cc`.
    let is_native = env::var_os("HOST") == env::var_os("TARGET");
    let is_glibc = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    // In every profile: what the tests run is linked as what is installed.
    if !(is_native && is_glibc && has_archive("libgcc_eh.a")) {
        return Ok(());
    }
    // rustc asks for libgcc_s by its name; the linker finds this script first, and in it the archives.
    let folder = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?).join("unwinder");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("libgcc_s.so"), "GROUP ( -lgcc_eh -lgcc )\n")?;
    for probe in PROBES {
        println!("cargo::rustc-link-arg-bin={probe}=-L{}", folder.display());
    }
    Ok(())
}

fn has_archive(name: &str) -> bool {
    let asked = Command::new("cc").arg(format!("-print-file-name={name}")).output();
    // What it does not find it gives back as it was.
    asked.is_ok_and(|said| Path::new(String::from_utf8_lossy(&said.stdout).trim()).is_absolute())
}

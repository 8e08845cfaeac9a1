//! Does a whole output still read as it was agreed? Golden files, rewritten with `BLESS=1`.

use std::path::Path;

/// Compares with `tests/golden/NAME`.
#[track_caller]
pub fn compare(name: &str, seen: &str) {
    compare_file(&format!("tests/golden/{name}"), seen);
}

/// Compares with a file of the repository.
#[track_caller]
pub fn compare_file(path: &str, seen: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, seen).unwrap();
        return;
    }
    let agreed = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert!(seen == agreed, "{path} differs; expected:\n{agreed}\ngot:\n{seen}\n(BLESS=1 rewrites it)");
}

//! Names of tests in the tables of pages, and whether there are such tests. Reads the checkout.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is in the checkout").to_owned()
}

/// Names of tests and of files with tests.
pub(crate) fn evidence(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|name| name.contains("::") || name.starts_with("tests/")).collect()
}

/// Whether a test exists where its path says: in its module's file, or in the module `tests` of it.
pub(crate) fn exists(name: &str) -> bool {
    if name.starts_with("tests/") {
        return root().join(name).is_file();
    }
    let parts: Vec<_> = name.split("::").collect();
    let [krate, modules @ .., function] = parts.as_slice() else { return false };
    let at = |modules: &[&str]| {
        let base = root().join(krate).join("src").join(modules.join("/"));
        [base.with_extension("rs"), base.join("mod.rs")]
    };
    let inline = modules.split_last().filter(|(last, _)| **last == "tests");
    let files = at(modules).into_iter().chain(inline.into_iter().flat_map(|(_, rest)| at(rest)));
    files
        .filter_map(|file| fs::read_to_string(file).ok())
        .any(|text| text.contains(&format!("fn {function}(")))
}

//! Makes sure that there is a page to embed: the real one is built by `make web`.

use std::{fs, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=web/dist");
    let page = Path::new("web/dist/index.html");
    if page.exists() {
        return;
    }
    fs::create_dir_all("web/dist").expect("the checkout is writable");
    let text = "<!doctype html><meta charset=utf-8><title>Starling</title>\n\
                <p>The call page is not built into this binary: run <code>make web</code>, then build again.\n";
    fs::write(page, text).expect("the checkout is writable");
}

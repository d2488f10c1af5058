//! The dashboard's files, as bytes: what `build.rs` made of `web/`, or one page that says how to get it.
//!
//! Nothing is decided here. Who is shown them, and with which headers, is `skep-server`'s.

/// One file of the page.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Where the page expects it, such as `/assets/index-B1.js`; that of `index.html` is `/`.
    pub path: &'static str,
    /// Its media type.
    pub kind: &'static str,
    /// Changes whenever its bytes do.
    pub tag: &'static str,
    /// Its name changes whenever its bytes do, so that it can be kept for ever.
    pub immutable: bool,
    /// Its bytes.
    pub plain: &'static [u8],
    /// The same, compressed with Brotli; empty if it is not.
    pub brotli: &'static [u8],
    /// The same, compressed with gzip; empty if it is not.
    pub gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The file at a path.
#[must_use]
pub fn file(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    // proves: U-3
    #[test]
    fn there_is_a_page_whatever_could_be_built() {
        let page = file("/").unwrap();
        assert_eq!(page.kind, "text/html; charset=utf-8");
        let text = std::str::from_utf8(page.plain).unwrap();
        assert!(!page.immutable);
        if BUILT {
            // The policy that it is served with allows no script and no style in the page itself, and nothing from
            // elsewhere.
            for bad in ["<style", "style=", "onclick", "http://", "https://"] {
                assert!(!text.contains(bad), "{bad} in {text}");
            }
            for part in text.split('"').filter(|part| part.starts_with("/assets/")) {
                let part = file(part).unwrap();
                assert!(part.immutable && !part.plain.is_empty());
            }
        } else {
            assert!(text.contains("npm"), "{text}");
        }
    }

    // proves: U-3
    #[test]
    fn the_first_paint_is_small() {
        let sent = |file: &File| match file.brotli.len() {
            0 => file.plain.len(),
            compressed => compressed,
        };
        let all: usize = FILES.iter().map(sent).sum();
        // Chart code included; it was 72 kB when this was written.
        assert!(
            all < 120_000,
            "{all} bytes are sent before anything is seen"
        );
    }
}

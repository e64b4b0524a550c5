//! Text that means nothing to HTML, whoever wrote it.

use super::style::{clean, misleads};

/// Text for between tags and for quoted attributes. What would steer or deceive its reader comes out as by
/// [`clean`](super::style::clean).
pub(super) fn html(raw: impl AsRef<[u8]>) -> String {
    let clean = clean(raw);
    let mut out = String::with_capacity(clean.len());
    for c in clean.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// JSON for between `<script type="application/json">` and its end: no character in it can end the element or begin a comment,
/// and none steers or deceives. A parser of JSON gets all of them back.
pub(super) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Outside of strings JSON without line breaks has none of them.
        if matches!(c, '<' | '>' | '&') || misleads(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_becomes_markup_or_steers() {
        let all: Vec<u8> = (0..=255).collect();
        let text = html(&all);
        assert!(!text.contains(['<', '>', '"', '\'']), "{text}");
        assert!(!text.contains(|c: char| misleads(c)), "{text}");
        assert_eq!(html("a & b</script>\u{202e}"), "a &amp; b&lt;/script&gt;\\u{202e}");
    }

    #[test]
    fn json_can_not_leave_its_element_and_says_the_same() {
        let hostile = "</script><!--<script>&\u{2028}\u{202e}\u{e0041}";
        let text = json(&serde_json::to_string(hostile).expect("JSON"));
        assert!(!text.contains(['<', '>', '&', '\u{2028}', '\u{202e}']), "{text}");
        assert_eq!(serde_json::from_str::<String>(&text).expect("a string"), hostile);
    }
}

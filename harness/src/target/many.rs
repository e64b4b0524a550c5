//! Targets that listen on several addresses: what tells them one is repeated for each.

use std::collections::BTreeMap;

use super::file::{Target, fill};

/// What `{address}`, `{host}` and `{port}` stand for, by listening socket.
pub(super) type Told = BTreeMap<&'static str, String>;

/// A text in which the template, where it stands, is repeated for each listening socket, on a line of its own.
pub(super) fn in_text(text: &str, template: &str, told: &[Told]) -> String {
    let Some(at) = text.find(template).filter(|_| told.len() > 1) else { return text.to_owned() };
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let indent: String = text[line..at].chars().take_while(|c| c.is_whitespace()).collect();
    let lines: Vec<String> = told.iter().map(|one| fill(template, one)).collect();
    format!("{}{}{}", &text[..at], lines.join(&format!("\n{indent}")), &text[at + template.len()..])
}

/// Words among which those of the template, where they stand behind one another, are repeated for each listening socket.
pub(super) fn in_words(words: &[String], template: &str, told: &[Told]) -> Vec<String> {
    let sought: Vec<&str> = template.split_whitespace().collect();
    let Some(at) = position(words, &sought).filter(|_| told.len() > 1) else { return words.to_vec() };
    let each = told.iter().flat_map(|one| sought.iter().map(|word| fill(word, one)));
    let (before, after) = (words[..at].iter().cloned(), words[at + sought.len()..].iter().cloned());
    before.chain(each).chain(after).collect()
}

fn position(words: &[String], sought: &[&str]) -> Option<usize> {
    if sought.is_empty() {
        return None;
    }
    words
        .windows(sought.len())
        .position(|window| window.iter().zip(sought).all(|(word, other)| word == other))
}

impl Target {
    /// Whether what is repeated for each listening socket is there, and tells where one is.
    ///
    /// # Errors
    /// What was expected, and what was found.
    pub fn check_each_listener(&self) -> Result<(), String> {
        let Some(template) = &self.each_listener else { return Ok(()) };
        if !["{address}", "{port}"].iter().any(|name| template.contains(name)) {
            return Err(format!("expected it to name {{address}} or {{port}}, found `{template}`"));
        }
        let sought: Vec<&str> = template.split_whitespace().collect();
        let told = position(&self.start, &sought).is_some()
            || self.files.iter().any(|file| file.text.contains(template.as_str()));
        if told {
            return Ok(());
        }
        Err(format!(
            "expected `{template}` to stand in a file or among the words of the start command, as it is; found it nowhere"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(count: u16) -> Vec<Told> {
        (0..count).map(|n| Told::from([("address", format!("h:{n}")), ("port", n.to_string())])).collect()
    }

    #[test]
    fn a_line_is_repeated_for_each_listening_socket() {
        let text = "a\n  listen {address};\n  b\n";
        assert_eq!(in_text(text, "listen {address};", &told(2)), "a\n  listen h:0;\n  listen h:1;\n  b\n");
        assert_eq!(in_text(text, "listen {address};", &told(1)), text);
        assert_eq!(in_text(text, "Listen {address}", &told(2)), text);
    }

    #[test]
    fn words_are_repeated_for_each_listening_socket() {
        let words = ["x", "--listen", "{address}", "y"].map(str::to_owned);
        let expected = ["x", "--listen", "h:0", "--listen", "h:1", "y"];
        assert_eq!(in_words(&words, "--listen {address}", &told(2)), expected);
        assert_eq!(in_words(&words, "--listen {address}", &told(1)), words);
        assert_eq!(in_words(&words, " ", &told(2)), words);
    }

    #[test]
    fn a_template_that_tells_nothing_or_stands_nowhere_is_refused() {
        let target = |template: &str| Target {
            start: ["x", "--listen", "{address}"].map(str::to_owned).to_vec(),
            each_listener: Some(template.to_owned()),
            ..Target::default()
        };
        assert_eq!(target("--listen {address}").check_each_listener(), Ok(()));
        for wrong in ["--listen", "--bind {address}", "{address} {port}"] {
            let error = target(wrong).check_each_listener().expect_err(wrong);
            assert!(error.contains("expected"), "{error}");
        }
    }
}

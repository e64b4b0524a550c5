//! `[values]`: placeholders of a target file's own, filled into its texts before those that the program knows.

use std::collections::BTreeMap;

use super::file::{Target, fill};

/// The placeholders that the program fills in: of targets, and of paths.
pub(super) const BUILTIN: [&str; 16] = [
    "address",
    "host",
    "port",
    "socket",
    "dir",
    "origin",
    "origin_host",
    "origin_port",
    "user",
    "hotspec",
    "marker",
    "extra",
    "extra_address",
    "ms",
    "n",
    "chunks",
];

impl Target {
    /// Fills the file's own placeholders in.
    ///
    /// # Errors
    /// A name that can't be one, or that no text has; the first string is where to look for the place.
    pub(super) fn fill_values(&mut self) -> Result<(), (String, String)> {
        let values = std::mem::take(&mut self.values);
        for name in values.keys() {
            let wrong = |message: String| Err((format!("{name} ="), message));
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
            if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) {
                return wrong(format!(
                    "expected a name of a-z, 0-9, `_` and `-` that begins with a letter in [values], found `{name}`"
                ));
            }
            if BUILTIN.contains(&name.as_str()) {
                return wrong(format!(
                    "expected another name than `{name}` in [values]: hotspec fills {{{name}}} in itself"
                ));
            }
            let placeholder = format!("{{{name}}}");
            if !self.texts().any(|text| text.contains(&placeholder)) {
                return wrong(format!(
                    "expected {placeholder} in a file, a command or a path of this target, since [values] has `{name}`; found none"
                ));
            }
        }
        let values: BTreeMap<&str, String> =
            values.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        for text in self.texts() {
            *text = fill(text, &values);
        }
        Ok(())
    }

    /// Every text that may have placeholders.
    fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        let endpoints = &mut self.endpoints;
        let paths = [
            &mut endpoints.fast,
            &mut endpoints.slow,
            &mut endpoints.stream,
            &mut endpoints.large,
            &mut endpoints.upload,
            &mut endpoints.no_content,
            &mut endpoints.not_modified,
            &mut self.address,
            &mut self.pid_file,
            &mut self.extra_listener,
            &mut self.each_listener,
        ];
        let steps = self
            .restart
            .iter_mut()
            .flat_map(|step| step.command.iter_mut().flatten().chain(step.pid_file.iter_mut()));
        let files = self.files.iter_mut().flat_map(|file| [&mut file.path, &mut file.text]);
        let lists = self
            .start
            .iter_mut()
            .chain(&mut self.version)
            .chain(&mut self.requires)
            .chain(&mut self.directories)
            .chain(&mut self.logs);
        let maps = self.environment.values_mut().chain(self.listen.values_mut());
        lists.chain(maps).chain(files).chain(steps).chain(paths.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const BODY: &str = "[[restart]]\ncommand = [\"sh\", \"{dir}/{word}\"]\n[[file]]\npath = \"x\"\ntext = \"{word} {unknown} {address}\"\n";

    fn parsed(values: &str) -> Result<Target, String> {
        let text = format!("start = [\"x\", \"{{word}}\"]\n{BODY}[values]\n{values}\n");
        Target::parse(Path::new("t.toml"), &text).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_filled_in_and_may_hold_other_placeholders() {
        let target = parsed("word = \"at {dir}\"").expect("a target");
        assert_eq!(target.start[1], "at {dir}");
        assert_eq!(target.files[0].text, "at {dir} {unknown} {address}");
        let command = target.restart[0].command.as_ref().expect("a command");
        assert_eq!(command[1], "{dir}/at {dir}");
    }

    #[test]
    fn a_value_that_no_text_names_or_that_hotspec_fills_in_is_refused() {
        for (values, expected) in [
            ("word = \"x\"\nwrod = \"x\"", "{wrod}"),
            ("address = \"x\"", "another name than `address`"),
            ("ms = \"x\"", "another name than `ms`"),
            ("Word = \"x\"", "expected a name of a-z"),
        ] {
            let error = parsed(values).expect_err(values);
            assert!(error.contains(expected) && error.contains("expected"), "{error}");
            assert!(!error.starts_with("t.toml:0"), "{error}");
        }
    }
}

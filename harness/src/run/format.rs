//! The formats of a report on a run.

/// A format of a report on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// For people, in a terminal or a log.
    Human,
    /// For programs: the results, in a numbered form.
    Json,
    /// For people, in a browser: one file.
    Html,
    /// For pipelines: JUnit's XML.
    Junit,
    /// For pipelines: TAP.
    Tap,
    /// For the page of a job: Markdown.
    Markdown,
    /// For GitHub Actions: annotations.
    Github,
    /// For GitLab: code quality.
    Gitlab,
}

impl Format {
    /// All of them, by name.
    pub(crate) const ALL: [(&str, Self); 8] = [
        ("human", Self::Human),
        ("json", Self::Json),
        ("html", Self::Html),
        ("junit", Self::Junit),
        ("tap", Self::Tap),
        ("markdown", Self::Markdown),
        ("github", Self::Github),
        ("gitlab", Self::Gitlab),
    ];
}

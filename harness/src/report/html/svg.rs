//! The few shapes that drawings are made of. Places along the axis are in percent, so that a drawing is as wide as its reader's
//! window; heights are in pixels. Colours come from the style sheet, by class.

use super::super::escape;
use super::axis::percent;

/// The height of a row, in pixels.
pub(super) const ROW: u32 = 18;

/// Shapes under way.
pub(super) struct Svg {
    out: String,
}

impl Svg {
    /// A drawing of its own, which is told to those who can't see it.
    pub(super) fn new(class: &str, height: u32, label: &str) -> Self {
        Self::of_role("img", class, height, label)
    }

    /// The same with links in it, which an image can't have.
    pub(super) fn with_links(class: &str, height: u32, label: &str) -> Self {
        Self::of_role("group", class, height, label)
    }

    /// One of many columns, which are one shape: its places are percent as well, and it is stretched to the width.
    pub(super) fn stretched(class: &str, height: u32, label: &str) -> Self {
        let label = escape::html(label);
        Self {
            out: format!(
                "<svg class=\"track {class}\" viewBox=\"0 0 100 {height}\" preserveAspectRatio=\"none\" height=\"{height}\" \
                 role=\"img\" aria-label=\"{label}\">"
            ),
        }
    }

    /// A shape of a stretched drawing, if there is anything to it.
    pub(super) fn path(&mut self, class: &str, shape: &str) {
        if !shape.is_empty() {
            self.out.push_str(&format!("<path class=\"{class}\" d=\"{shape}\"/>"));
        }
    }

    fn of_role(role: &str, class: &str, height: u32, label: &str) -> Self {
        let label = escape::html(label);
        Self {
            out: format!(
                "<svg class=\"track {class}\" height=\"{height}\" role=\"{role}\" aria-label=\"{label}\">"
            ),
        }
    }

    /// One that says nothing that is not written beside it.
    pub(super) fn silent(class: &str, height: &str) -> Self {
        Self { out: format!("<svg class=\"track {class}\" height=\"{height}\" aria-hidden=\"true\">") }
    }

    pub(super) fn finish(mut self) -> String {
        self.out.push_str("</svg>");
        self.out
    }

    /// A bar from place to place; one that would be too thin to be seen is drawn wide enough.
    pub(super) fn bar(&mut self, class: &str, from: f64, to: f64, y: u32, height: u32) {
        const VISIBLE: f64 = 0.25;
        let (from, width) = (percent(from.min(100.0 - VISIBLE)), percent((to - from).max(VISIBLE)));
        self.out.push_str(&format!(
            "<rect class=\"{class}\" x=\"{from}\" width=\"{width}\" y=\"{y}\" height=\"{height}\"/>"
        ));
    }

    /// A bar with a height in percent, from the top; for what lies behind others.
    pub(super) fn band(&mut self, class: &str, from: f64, to: f64) {
        if to > from {
            let (from, width) = (percent(from), percent(to - from));
            self.out.push_str(&format!(
                "<rect class=\"{class}\" x=\"{from}\" width=\"{width}\" height=\"100%\"/>"
            ));
        }
    }

    /// An upright line from top to bottom.
    pub(super) fn upright(&mut self, class: &str, x: f64) {
        let x = percent(x);
        self.out.push_str(&format!("<line class=\"{class}\" x1=\"{x}\" x2=\"{x}\" y1=\"0\" y2=\"100%\"/>"));
    }

    /// A level line.
    pub(super) fn level(&mut self, class: &str, from: f64, to: f64, y: u32) {
        let (from, to) = (percent(from), percent(to));
        self.out
            .push_str(&format!("<line class=\"{class}\" x1=\"{from}\" x2=\"{to}\" y1=\"{y}\" y2=\"{y}\"/>"));
    }

    /// One of the shapes that the page defines once, around the middle of the row.
    pub(super) fn glyph(&mut self, name: &str, x: f64, y: u32) {
        let x = percent(x);
        self.out.push_str(&format!("<use class=\"{name}\" href=\"#g-{name}\" x=\"{x}\" y=\"{y}\"/>"));
    }

    /// The same as a link, with what it is.
    pub(super) fn link(&mut self, name: &str, x: f64, y: u32, to: &str, what: &str) {
        let (to, what) = (escape::html(to), escape::html(what));
        self.out.push_str(&format!("<a href=\"#{to}\" aria-label=\"{what}\"><title>{what}</title>"));
        self.glyph(name, x, y);
        self.out.push_str("</a>");
    }

    /// A label beside a place: to its right, or, in the right half, to its left.
    pub(super) fn text(&mut self, class: &str, x: f64, y: u32, text: &str) {
        let (anchor, dx) = if x > 50.0 { ("end", "-4") } else { ("start", "4") };
        self.anchored(class, x, y, (anchor, dx), text);
    }

    /// A label below a place.
    pub(super) fn centred(&mut self, class: &str, x: f64, y: u32, text: &str) {
        let anchor = match x {
            x if x < 4.0 => "start",
            x if x > 96.0 => "end",
            _ => "middle",
        };
        self.anchored(class, x, y, (anchor, "0"), text);
    }

    fn anchored(&mut self, class: &str, x: f64, y: u32, (anchor, dx): (&str, &str), text: &str) {
        let (x, text) = (percent(x), escape::html(text));
        self.out.push_str(&format!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" dx=\"{dx}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }
}

//! The report as a page, in a browser: it opens by itself, is filtered, leads from a breach to its connection, and bears what a
//! target writes.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::support::chromium::{CHROMIUM, Page};
use crate::support::{HOTSPEC, Run, SOON, case, case_alone, case_with, hotspec, run, tempdir};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tempfile::TempDir;

const SCENARIO: &str = "idle-last-request";
const CLAUSE: &str = "keep-alive.one-last-request";
/// How soon a page has to be there, its first paint included.
const OPEN_MS: f64 = 2000.0;

/// One run that fails, which all cases draw.
static FAILING: OnceLock<Run> = OnceLock::new();

pub fn trials() -> Vec<Trial> {
    let browser = [CHROMIUM];
    vec![
        case("a run is written as a page", written),
        case("a soak is no page", no_soak),
        case_with(&browser, "it opens with nothing loaded and nothing said on the console", opens),
        case_with(&browser, "words and verdicts narrow the clauses, by keyboard", filtered),
        case_with(&browser, "a breach leads to its connection, unfolded and in sight", followed),
        case_with(&browser, "what a target writes does nothing", hostile),
        case_with(
            &browser,
            "no width makes the page scroll sideways, light or dark, and all can be read",
            widths,
        ),
        case_with(&browser, "without its script all of it is there", no_script),
    ]
}

/// What wants the machine for itself.
pub fn alone() -> Vec<Trial> {
    vec![case_alone(&[CHROMIUM], "ten thousand connections open within two seconds", mass)]
}

/// Removes what all cases shared.
pub fn end() {
    FAILING.get().into_iter().for_each(Run::remove);
}

fn failing() -> &'static Run {
    FAILING.get_or_init(|| {
        let command = [HOTSPEC, "selftest-server", "idle-closed", "--listen", "{address}"];
        let run =
            run(["--profile", "falcore", "--idle-max", "3s", SCENARIO, "--"].into_iter().chain(command));
        run.exits(1);
        run
    })
}

/// A page, and the run that it is of.
struct Drawn {
    temp: TempDir,
}

impl Drawn {
    /// Of the failing run, with these changes to its history.
    fn changed(change: impl FnOnce(Vec<Value>) -> Vec<Value>) -> Self {
        let drawn = Self { temp: tempdir() };
        let (from, to) = (&failing().dir, drawn.run_dir());
        for dir in ["history", "packets", "output"] {
            fs::create_dir_all(to.join(dir)).expect("a directory");
            for entry in fs::read_dir(from.join(dir)).into_iter().flatten().flatten() {
                fs::copy(entry.path(), to.join(dir).join(entry.file_name())).expect("a copy");
            }
        }
        fs::copy(from.join("manifest.json"), to.join("manifest.json")).expect("a manifest");
        let history = to.join("history").join(format!("{SCENARIO}.ndjson"));
        let text = fs::read_to_string(&history).expect("a history");
        let events = text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
        let lines: Vec<String> = change(events).iter().map(|event| format!("{event}\n")).collect();
        fs::write(&history, lines.concat()).expect("a history of mine");
        drawn.draw();
        drawn
    }

    fn draw(&self) {
        let report = format!("--report=html={}", self.page().display());
        let output = hotspec(["check"]).arg(self.run_dir()).arg(report).output().expect("hotspec starts");
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn new() -> Self {
        Self::changed(|events| events)
    }

    fn run_dir(&self) -> PathBuf {
        self.temp.path().join("run")
    }

    fn page(&self) -> PathBuf {
        self.temp.path().join("page.html")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.page()).expect("a page")
    }
}

fn written() {
    let drawn = Drawn::new();
    let page = drawn.text();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    drawn.draw();
    assert!(page == drawn.text(), "the same run gives another page");
    for part in [">FAIL<", CLAUSE, "broken here:", "XXH3", "T0\u{2192}Tr"] {
        assert!(page.contains(part), "{part}");
    }
}

fn no_soak() {
    hotspec(["soak", "--report", "html"]).timeout(SOON).assert().code(64).stdout("");
}

/// Nothing was fetched, and nothing went wrong.
fn assert_quiet(page: &Page) {
    let requests = page.told("Network.requestWillBeSent");
    let urls: Vec<&str> = requests.iter().filter_map(|told| told["request"]["url"].as_str()).collect();
    let own =
        |url: &&str| url.starts_with("file://") && url.contains("page.html") || url.starts_with("data:");
    assert!(urls.iter().all(own), "{urls:?}");
    for event in [
        "Log.entryAdded",
        "Runtime.exceptionThrown",
        "Runtime.consoleAPICalled",
        "Page.javascriptDialogOpening",
    ] {
        assert!(page.told(event).is_empty(), "{event}: {:?}", page.told(event));
    }
}

fn opens() {
    let drawn = Drawn::new();
    let page = Page::new();
    page.open(&drawn.page(), "");
    let title = page.js("document.title");
    assert!(title.as_str().is_some_and(|title| title.starts_with("FAIL: ")), "{title}");
    let seen = page.js("document.querySelector('h1').innerText");
    assert!(seen.as_str().is_some_and(|text| text.starts_with("FAIL")), "{seen}");
    // The drawing is beneath the verdict, with what is broken in it.
    let marks = page.js("document.querySelectorAll('#restart details[open] use.broken').length");
    assert!(marks.as_u64() > Some(0), "{marks}");
    // Unfolded rows are drawn by the script.
    let rows = page.js(
        "(() => { for (const one of document.querySelectorAll('details')) one.open = true; \
         return new Promise((done) => setTimeout(() => done(document.querySelectorAll('[data-group] .row svg').length), 100)); })()",
    );
    assert!(rows.as_u64() > Some(10), "{rows}");
    assert_quiet(&page);
}

/// Clauses in sight.
fn in_sight(page: &Page) -> Vec<String> {
    let ids = page.js("[...document.querySelectorAll('#rows > tr')].filter((row) => row.offsetHeight > 0).map((row) => row.querySelector('.id').textContent)");
    serde_json::from_value(ids).expect("ids")
}

fn filtered() {
    let drawn = Drawn::new();
    let page = Page::new();
    page.open(&drawn.page(), "");
    let all = in_sight(&page);
    assert!(all.len() > 3, "{all:?}");
    page.js("document.querySelector('#words').focus()");
    page.type_text("FAIL one-last-request");
    assert_eq!(in_sight(&page), [CLAUSE]);
    assert!(
        page.js("document.querySelector('#shown').textContent")
            .as_str()
            .is_some_and(|text| text.starts_with("1 of "))
    );
    page.press("Escape");
    assert_eq!(in_sight(&page), all);
    // The next stop of the keyboard is the first verdict, which the space bar takes out.
    page.press("Tab");
    assert_eq!(page.js("document.activeElement.value"), json!("fail"));
    page.press("Space");
    let rest = in_sight(&page);
    assert!(rest.len() < all.len() && !rest.iter().any(|id| id == CLAUSE), "{rest:?}");
    page.js("(() => { document.querySelector('#words').focus(); })()");
    page.type_text("no such thing");
    assert!(in_sight(&page).is_empty());
    assert_eq!(page.js("document.querySelector('#none').offsetHeight > 0"), json!(true));
}

fn followed() {
    let drawn = Drawn::new();
    let page = Page::new();
    page.size(1280, 900);
    page.open(&drawn.page(), "");
    // From the clause to the connection, with the keyboard.
    page.js("document.querySelector('#rows .breaches a').focus({ focusVisible: true })");
    let ring = page.js("getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(ring, json!("solid"), "the focus can't be seen");
    let place = page.js("document.activeElement.getAttribute('href').slice(1)");
    page.press("Enter");
    let seen = page.js(
        "new Promise((done) => setTimeout(() => { const place = document.getElementById(location.hash.slice(1)); \
         const box = place.getBoundingClientRect(); \
         done({ id: place.id, text: place.innerText, height: box.height, top: box.top, focus: document.activeElement === place }); }, 800))",
    );
    assert_eq!(seen["id"], place);
    assert_eq!(seen["focus"], json!(true));
    let text = seen["text"].as_str().unwrap_or_default();
    assert!(text.contains(CLAUSE) && text.contains("broken here:"), "{text}");
    let top = seen["top"].as_f64().unwrap_or(-1.0);
    assert!(seen["height"].as_f64() > Some(50.0) && (0.0..900.0).contains(&top), "{seen}");
    page.shot("lane");
    // From the mark in the drawing to the clause.
    page.js("document.querySelector('#restart summary a').focus()");
    page.press("Enter");
    let open = page.js("new Promise((done) => setTimeout(() => done(document.getElementById(location.hash.slice(1)).closest('details').open && location.hash), 300))");
    assert!(open.as_str().is_some_and(|hash| hash.starts_with("#clause-")), "{open}");
    // A link that somebody was sent.
    page.open(&drawn.page(), place.as_str().unwrap_or_default());
    let height = page.js("document.getElementById(location.hash.slice(1)).offsetHeight");
    assert!(height.as_u64() > Some(50), "{height}");
}

/// As a target would write it that wants to be more than text.
const EVIL: &str = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'><svg onload=alert(1)>\u{202e}\u{1b}[2J";

fn hostile() {
    let drawn = Drawn::changed(|mut events| {
        for event in &mut events {
            for key in ["name", "marker", "framing", "address", "what", "method"] {
                if let Some(Value::String(text)) = event.get_mut(key) {
                    text.push_str(EVIL);
                }
            }
        }
        events
    });
    let page = Page::new();
    page.open(&drawn.page(), "");
    page.js("for (const one of document.querySelectorAll('details')) one.open = true");
    let elements = page.js("[document.scripts.length, document.images.length, document.querySelectorAll('[onerror], [onload], svg svg').length]");
    assert_eq!(elements, json!([2, 0, 0]));
    assert_eq!(
        page.js(
            "document.body.textContent.includes('\\u202e') || document.body.textContent.includes('\\u001b')"
        ),
        json!(false)
    );
    assert_eq!(page.js("document.body.innerText.includes('<img src=x onerror=alert(1)>')"), json!(true));
    assert_quiet(&page);
}

/// Text that stands on a ground of one colour, and its contrast (WCAG 2, 1.4.3).
const CONTRAST: &str = r"(() => {
  const parse = (text) => { const [r, g, b, a = 1] = (text.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number); return { r, g, b, a }; };
  const light = ({ r, g, b }) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const bad = [];
  for (const one of document.querySelectorAll('body *:not(svg *)')) {
    if (!one.checkVisibility() || ![...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
    let ground = one;
    while (ground && parse(getComputedStyle(ground).backgroundColor).a < 1) ground = ground.parentElement;
    const [a, b] = [light(parse(getComputedStyle(one).color)), light(parse(ground ? getComputedStyle(ground).backgroundColor : 'rgb(255,255,255)'))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push([one.tagName, one.className, one.textContent.trim().slice(0, 30), ratio]);
  }
  return bad;
})()";

fn widths() {
    let drawn = Drawn::new();
    let page = Page::new();
    let mut grounds = Vec::new();
    for dark in [false, true] {
        page.dark(dark);
        for (width, height) in [(360, 800), (768, 1024), (1280, 900)] {
            page.size(width, height);
            page.open(&drawn.page(), "");
            page.shot(&format!("{width}-{}", if dark { "dark" } else { "light" }));
            page.js("(() => { for (const one of document.querySelectorAll('details')) one.open = true; return new Promise((done) => setTimeout(done, 50)); })()");
            let wide = page.js("document.documentElement.scrollWidth");
            assert!(wide.as_u64() <= Some(u64::from(width)), "{wide} in {width}");
        }
        assert_eq!(page.js(CONTRAST), json!([]), "dark: {dark}");
        grounds.push(page.js("getComputedStyle(document.body).backgroundColor"));
    }
    assert_ne!(grounds[0], grounds[1]);
}

fn no_script() {
    let drawn = Drawn::new();
    let page = Page::new();
    page.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    page.open(&drawn.page(), "");
    let there = page.js(
        "[document.querySelector('h1').offsetHeight > 0, document.querySelector('#filter').offsetHeight, \
         document.querySelectorAll('#restart use.broken').length > 0, document.querySelectorAll('#rows > tr').length > 3, \
         document.body.textContent.includes('broken here:')]",
    );
    assert_eq!(there, json!([true, 0, true, true, true]));
}

/// The history with so many further lanes: copies of the last one that holds out, each with a number of its own.
fn multiplied(events: Vec<Value>, times: u32) -> Vec<Value> {
    let restart = events.iter().position(|event| event["phase"] == "restart").expect("a restart");
    let role = |event: &&Value| event["e"] == "open" && event["role"] == "canary-idle";
    let lane = events[restart..].iter().find(role).map(|event| event["lane"].clone()).expect("a lane");
    let last = events.iter().filter_map(|event| event["lane"].as_u64()).max().unwrap_or_default();
    let mut many = Vec::new();
    for event in events {
        let copied = event["lane"] == lane;
        let original = copied.then(|| event.clone());
        many.push(event);
        for number in 0..original.as_ref().map_or(0, |_| times) {
            let mut copy = original.clone().unwrap_or_default();
            copy["lane"] = json!(last + 1 + u64::from(number));
            if copy.get("role").is_some() {
                copy["role"] = json!("mass");
            }
            many.push(copy);
        }
    }
    many
}

fn mass() {
    let drawn = Drawn::changed(|events| multiplied(events, 10_000));
    let length = fs::metadata(drawn.page()).expect("a page").len();
    assert!(length < 4_000_000, "{length} bytes");
    let page = Page::new();
    page.size(1280, 900);
    let opened = || {
        page.open(&drawn.page(), "");
        let times = page.js(
            "(() => { const [page] = performance.getEntriesByType('navigation'); \
             return [page.domContentLoadedEventEnd, performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0]; })()",
        );
        times.as_array().into_iter().flatten().filter_map(Value::as_f64).fold(0.0, f64::max)
    };
    // The first one finds a browser that has just started.
    let took: Vec<f64> = (0..3).map(|_| opened()).collect();
    let best = took.iter().copied().fold(f64::MAX, f64::min);
    println!("{length} bytes; opened in {took:.0?} ms");
    assert!(best < OPEN_MS, "{took:?} ms");
    let nodes = page.js("document.querySelectorAll('*').length");
    assert!(nodes.as_u64() < Some(20_000), "{nodes}");
    // The rows are there when they are asked for, some at a time.
    page.js("document.querySelectorAll('details[data-group]').forEach((one) => { if (one.textContent.includes('10000')) { one.closest('.scene').open = true; one.open = true; one.id = 'mass'; } })");
    let rows = page.js("new Promise((done) => setTimeout(() => done(document.querySelectorAll('#mass .row svg.lane').length), 100))");
    assert_eq!(rows, json!(200));
    page.js("document.querySelector('#mass button').click()");
    assert_eq!(page.js("document.querySelectorAll('#mass .row svg.lane').length"), json!(400));
    // A link to one of them draws as many as it takes, and leads there.
    page.js("(() => { const group = JSON.parse(document.querySelector('#data').textContent).groups.find((one) => one.role === 'mass'); location.hash = `l${group.scene}-${group.lanes[5000][0]}`; })()");
    let led = page.js("new Promise((done) => setTimeout(() => done([document.activeElement.id === location.hash.slice(1), document.activeElement.offsetHeight > 10]), 500))");
    assert_eq!(led, json!([true, true]));
    assert_quiet(&page);
}

//! A browser, driven as a person drives it: by what is seen on the page, and by keys.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::{Client, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Set where a test must not be skipped.
const REQUIRED: &str = "TEST_REQUIRE_BROWSER";

/// How long anything that must happen on a page may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the driver is started before a test gives up.
const STARTS: u32 = 5;

/// A window is never narrower; a phone's screen is.
const NARROWEST_WINDOW: u32 = 500;

/// How a page is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Light,
    Dark,
}

/// A window of its own, with nothing remembered.
pub struct Browser {
    runtime: Runtime,
    client: Option<Client>,
    driver: Child,
    _profile: TempDir,
}

/// A browser on a screen that is so wide. None where none is installed, after having said that the test is skipped.
pub fn open(scheme: Scheme, width: u32) -> Option<Browser> {
    let Some(driver) = program("chromedriver") else {
        assert!(env::var_os(REQUIRED).is_none(), "no chromedriver is installed, and {REQUIRED} is set");
        // Not by eprintln, which the runner of the tests keeps to itself.
        let said = format!("skipped: {}: no browser is installed\n", thread::current().name().unwrap_or("a test"));
        io::stderr().write_all(said.as_bytes()).unwrap();
        return None;
    };
    let (mut driver, port) = start(&driver);
    let profile = tempfile::tempdir().unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let dark = if scheme == Scheme::Dark { 0 } else { 1 };
    let arguments = [
        "--headless".to_owned(),
        // The tests may be run by root, and in a container.
        "--no-sandbox".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--disable-gpu".to_owned(),
        // A page that scrolls by itself would be clicked on where something was.
        "--force-prefers-reduced-motion".to_owned(),
        // It asks nobody else for anything.
        "--disable-quic".to_owned(),
        "--no-first-run".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        format!("--blink-settings=preferredColorScheme={dark}"),
        format!("--window-size={width},1000"),
        format!("--user-data-dir={}", profile.path().display()),
    ];
    let mut options = json!({ "args": arguments });
    if width < NARROWEST_WINDOW {
        let metrics = json!({ "width": width, "height": 844, "pixelRatio": 1.0, "mobile": true, "touch": false });
        options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
    }
    let Value::Object(capabilities) = json!({ "goog:chromeOptions": options }) else {
        unreachable!("an object was written")
    };
    let address = format!("http://127.0.0.1:{port}");
    let client = Client::with_capabilities_and_connector(&address, &capabilities, HttpConnector::new());
    let client = runtime.block_on(client).unwrap_or_else(|error| {
        _ = driver.kill();
        panic!("the browser does not start: {error}")
    });
    Some(Browser { runtime, client: Some(client), driver, _profile: profile })
}

/// A program of the path.
fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Starts the driver; it says which port it took. On a busy machine it has been seen to end before it listens, which says
/// nothing about a page: it is started anew, and what it said is told if it never does.
fn start(driver: &Path) -> (Child, u16) {
    let mut said = Vec::new();
    for _ in 0..STARTS {
        let mut command = Command::new(driver);
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut started = command.spawn().unwrap();
        let mut lines = BufReader::new(started.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines
            .by_ref()
            .inspect(|line| said.push(line.clone()))
            .find_map(|line| line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok());
        let complaints = BufReader::new(started.stderr.take().unwrap()).lines().map_while(Result::ok);
        let Some(port) = port else {
            said.extend(complaints);
            _ = started.wait();
            thread::sleep(Duration::from_secs(1));
            continue;
        };
        // What else it says has to go somewhere.
        thread::spawn(move || lines.for_each(drop));
        thread::spawn(move || complaints.for_each(drop));
        return (started, port);
    }
    panic!("the driver does not say on which port it listens:\n{}", said.join("\n"))
}

impl Browser {
    fn client(&self) -> &Client {
        self.client.as_ref().expect("a browser that is open")
    }

    /// Opens a page.
    pub fn goes_to(&self, url: &str) {
        self.runtime.block_on(self.client().goto(url)).unwrap();
    }

    /// Where it is.
    pub fn address(&self) -> String {
        self.runtime.block_on(self.client().current_url()).unwrap().to_string()
    }

    /// What a script of the test gives back.
    pub fn runs(&self, script: &str) -> Value {
        self.runtime.block_on(self.client().execute(script, Vec::new())).unwrap()
    }

    /// What a script of the test gives back that says so by its last argument, a function.
    pub fn runs_until_told(&self, script: &str) -> Value {
        self.runtime.block_on(self.client().execute_async(script, Vec::new())).unwrap()
    }

    /// The element, once it is there and is seen.
    #[track_caller]
    fn find(&self, css: &str) -> Element {
        let started = Instant::now();
        loop {
            let found = self.runtime.block_on(async {
                let found = self.client().find_all(Locator::Css(css)).await.unwrap();
                for element in found {
                    if element.is_displayed().await.unwrap_or(false) {
                        return Some(element);
                    }
                }
                None
            });
            if let Some(found) = found {
                return found;
            }
            assert!(started.elapsed() < PATIENCE, "{css} is not on the page:\n{}", self.text("body"));
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether such an element is seen now.
    pub fn sees(&self, css: &str) -> bool {
        self.runtime.block_on(async {
            for element in self.client().find_all(Locator::Css(css)).await.unwrap() {
                if element.is_displayed().await.unwrap_or(false) {
                    return true;
                }
            }
            false
        })
    }

    /// Waits for an element.
    #[track_caller]
    pub fn waits_for(&self, css: &str) -> &Self {
        self.find(css);
        self
    }

    /// Waits until what is written in an element has these words.
    #[track_caller]
    pub fn waits_for_words(&self, css: &str, words: &str) -> &Self {
        let started = Instant::now();
        while !self.text(css).contains(words) {
            assert!(started.elapsed() < PATIENCE, "{words:?} is not in {css}: {}", self.text("body"));
            thread::sleep(Duration::from_millis(50));
        }
        self
    }

    /// What is written in the first such element, as it is seen; nothing where there is none.
    pub fn text(&self, css: &str) -> String {
        let script = format!("return document.querySelector({})?.innerText ?? ''", json!(css));
        self.runs(&script).as_str().unwrap_or_default().to_owned()
    }

    /// What is written in each such element.
    pub fn texts(&self, css: &str) -> Vec<String> {
        let script = format!("return [...document.querySelectorAll({})].map((it) => it.innerText)", json!(css));
        self.runs(&script).as_array().unwrap().iter().map(|it| it.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Clicks on an element.
    #[track_caller]
    pub fn clicks(&self, css: &str) -> &Self {
        let element = self.find(css);
        self.runtime.block_on(element.click()).unwrap();
        self
    }

    /// Chooses what begins with these words.
    #[track_caller]
    pub fn chooses(&self, name: &str, words: &str) -> &Self {
        let element = self.find(&format!("select[name={name}]"));
        let option = format!(".//option[starts-with(normalize-space(.), \"{words}\")]");
        self.runtime.block_on(element.select_by(Locator::XPath(&option))).unwrap();
        self
    }

    /// Presses Tab until the focus is on such an element, as whoever has no mouse does.
    #[track_caller]
    pub fn tabs_to(&self, css: &str) -> &Self {
        let script = format!("return document.activeElement?.matches({}) ?? false", json!(css));
        for _ in 0..200 {
            if self.runs(&script) == Value::Bool(true) {
                return self;
            }
            self.presses(char::from(Key::Tab));
        }
        panic!("{css} cannot be reached by keys");
    }

    /// Types into an element.
    #[track_caller]
    pub fn types(&self, css: &str, words: &str) -> &Self {
        let element = self.find(css);
        self.runtime.block_on(element.send_keys(words)).unwrap();
        self
    }

    /// Presses a key, wherever the focus is.
    pub fn presses(&self, key: char) -> &Self {
        let keys =
            KeyActions::new("keys".to_owned()).then(KeyAction::Down { value: key }).then(KeyAction::Up { value: key });
        self.runtime.block_on(self.client().perform_actions(keys)).unwrap();
        self
    }

    /// A picture of the whole page, kept where the tests put what they make.
    pub fn pictures(&self, name: &str) -> PathBuf {
        let height = self.runs("return document.documentElement.scrollHeight").as_u64().unwrap();
        let (width, before) = self.runtime.block_on(self.client().get_window_size()).unwrap();
        let sizes = |height: u64| (u32::try_from(width).unwrap(), u32::try_from(height.clamp(600, 8000)).unwrap());
        let (wide, high) = sizes(height + 150);
        self.runtime.block_on(self.client().set_window_size(wide, high)).unwrap();
        let picture = self.runtime.block_on(self.client().screenshot()).unwrap();
        let (wide, high) = sizes(before);
        self.runtime.block_on(self.client().set_window_size(wide, high)).unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{name}.png"));
        fs::write(&file, picture).unwrap();
        file
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            // A browser that has gone already is gone.
            _ = self.runtime.block_on(client.close());
        }
        _ = self.driver.kill();
        _ = self.driver.wait();
    }
}

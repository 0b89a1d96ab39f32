//! Headless Chromium, driven over its debugging pipe: messages are JSON terminated by a zero byte, sent to its descriptor 3
//! and read from its descriptor 4. It ends when the value that represents it is dropped, and also with this process,
//! because that closes its pipe.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Makes a test that hangs fail; nothing here takes nearly as long.
const LIMIT: Duration = Duration::from_secs(60);

const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
];

/// Moves the two pipes to where Chromium expects them, and removes its profile, $1, when Chromium has ended, even if this
/// process was told to end. Chromium's helpers may write to the profile a moment longer.
const WATCHER: &str = r#"
    trap : TERM INT
    profile=$1; shift
    "$@" 3<&0 4>&1 </dev/null >/dev/null
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
        rm -rf "$profile" 2>/dev/null && break
        sleep 0.2
    done
"#;

/// One browser with one tab.
pub struct Browser {
    child: Child,
    input: RefCell<Option<ChildStdin>>,
    messages: Receiver<Value>,
    events: RefCell<Vec<Value>>,
    calls: Cell<u64>,
    session: RefCell<Option<String>>,
    profile: TempDir,
}

impl Browser {
    pub fn start() -> Browser {
        let profile = tempfile::Builder::new()
            .prefix("queuepool-chromium-")
            .tempdir()
            .unwrap();
        let log = File::create(profile.path().join("log")).unwrap();
        let mut child = Command::new("sh")
            .args(["-c", WATCHER, "watcher"])
            .arg(profile.path())
            .arg("chromium")
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in output.split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else {
                    return;
                };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let browser = Browser {
            input: RefCell::new(child.stdin.take()),
            child,
            messages,
            events: RefCell::default(),
            calls: Cell::new(0),
            session: RefCell::default(),
            profile,
        };
        let tab = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached = browser.call(
            "Target.attachToTarget",
            json!({"targetId": tab["targetId"], "flatten": true}),
        );
        *browser.session.borrow_mut() = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Sends a command of the DevTools protocol and returns its result.
    #[track_caller]
    pub fn call(&self, method: &str, params: Value) -> Value {
        let id = self.calls.get() + 1;
        self.calls.set(id);
        let mut message = json!({"id": id, "method": method, "params": params});
        if let Some(session) = &*self.session.borrow() {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        let written = match &mut *self.input.borrow_mut() {
            Some(input) => input.write_all(&bytes).is_ok(),
            None => false,
        };
        if !written {
            self.fail(method);
        }
        let limit = Instant::now() + LIMIT;
        loop {
            let left = limit.saturating_duration_since(Instant::now());
            let Ok(message) = self.messages.recv_timeout(left) else {
                self.fail(method);
            };
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.borrow_mut().push(message);
        }
    }

    #[track_caller]
    fn fail(&self, method: &str) -> ! {
        let log = fs::read_to_string(self.profile.path().join("log")).unwrap_or_default();
        panic!("no answer to {method}; Chromium is Debian's package chromium, and it says:\n{log}");
    }

    pub fn open(&self, address: &str) {
        self.call("Page.navigate", json!({"url": address}));
    }

    /// The value of an expression on the page; a promise is awaited.
    #[track_caller]
    pub fn evaluate(&self, expression: &str) -> Value {
        let answer = self.call(
            "Runtime.evaluate",
            json!({"expression": expression, "awaitPromise": true, "returnByValue": true}),
        );
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// Waits until the condition is true on the page, and fails with the page's text if it never is.
    #[track_caller]
    pub fn wait_for(&self, condition: &str) {
        let limit = LIMIT.as_millis() / 2;
        let met = self.evaluate(&format!(
            "new Promise((done) => {{
                const met = () => {{ try {{ return Boolean({condition}); }} catch {{ return false; }} }};
                const look = () => {{ if (met()) {{ watch.disconnect(); done(true); }} }};
                const watch = new MutationObserver(look);
                watch.observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
                setTimeout(() => {{ watch.disconnect(); done(met()); }}, {limit});
                look();
            }})"
        ));
        if met != true {
            let text = self.evaluate("document.body.innerText");
            panic!("never came true: {condition}; the page shows:\n{text}");
        }
    }

    pub fn press(&self, key: &str, code: u32) {
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            self.call(
                "Input.dispatchKeyEvent",
                json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}),
            );
        }
    }

    pub fn tab(&self) {
        self.press("Tab", 9);
    }

    pub fn enter(&self) {
        self.press("Enter", 13);
    }

    pub fn size(&self, width: u32, height: u32) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}),
        );
    }

    /// Light or dark, and at once: no color is on its way to another.
    pub fn scheme(&self, scheme: &str) {
        self.call(
            "Emulation.setEmulatedMedia",
            json!({"features": [
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ]}),
        );
    }

    /// The events of that name reported since the last call.
    pub fn take_events(&self, method: &str) -> Vec<Value> {
        // An answer comes after all events before it.
        self.evaluate("0");
        let mut events = self.events.borrow_mut();
        let (taken, kept) = std::mem::take(&mut *events)
            .into_iter()
            .partition(|event| event["method"] == method);
        *events = kept;
        taken
    }

    /// Errors in the console, exceptions and violations of the content security policy.
    pub fn complaints(&self) -> Vec<Value> {
        [
            "Log.entryAdded",
            "Runtime.exceptionThrown",
            "Runtime.consoleAPICalled",
        ]
        .into_iter()
        .flat_map(|method| self.take_events(method))
        .collect()
    }

    /// Saves a screenshot in the folder named by the environment, for people to look at.
    pub fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("QUEUEPOOL_PAGE_SHOTS") else {
            return;
        };
        use base64::Engine;
        let content = &self.call("Page.getLayoutMetrics", json!({}))["cssContentSize"];
        let clip = json!({"x": 0, "y": 0, "width": content["width"], "height": content["height"], "scale": 1});
        let shot = self.call(
            "Page.captureScreenshot",
            json!({"captureBeyondViewport": true, "clip": clip}),
        );
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(shot["data"].as_str().unwrap())
            .unwrap();
        fs::write(
            std::path::Path::new(&folder).join(format!("{name}.png")),
            bytes,
        )
        .unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends when its input does.
        self.input.borrow_mut().take();
        let _ = self.child.wait();
    }
}

//! The page on a phone, in dark mode, and for readers with weak eyes.

use super::service::Scene;

/// For each element with text of its own, the contrast between its color and what is painted behind it.
const CONTRASTS: &str = r"
(() => {
    const channels = (color) => color.match(/[\d.]+/g).map(Number);
    const over = (front, back) => {
        const alpha = front[3] ?? 1;
        return [0, 1, 2].map((index) => front[index] * alpha + back[index] * (1 - alpha));
    };
    const behind = (node) => {
        const layers = [];
        for (let at = node; at; at = at.parentElement) {
            layers.push(channels(getComputedStyle(at).backgroundColor));
        }
        return layers.reverse().reduce((back, layer) => over(layer, back), [255, 255, 255]);
    };
    const brightness = (color) => {
        const [red, green, blue] = color.map((value) => value / 255).map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const contrast = (node) => {
        const style = getComputedStyle(node);
        const back = behind(node);
        const front = over(channels(node instanceof SVGElement ? style.fill : style.color), back);
        const [light, dark] = [brightness(front), brightness(back)].sort((one, other) => other - one);
        return (light + 0.05) / (dark + 0.05);
    };
    return [...document.body.querySelectorAll('*')]
        .filter((node) => node.checkVisibility() && node.tagName !== 'SCRIPT')
        .filter((node) => [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.data.trim()))
        .map((node) => [contrast(node), `${node.tagName} ${node.textContent.slice(0, 40)}`])
        .sort(([one], [other]) => one - other);
})()";

#[test]
fn all_text_has_a_contrast_of_at_least_4_5_by_day_and_by_night() {
    let mut scene = Scene::open();
    scene.open_all();
    for outage in [false, true] {
        if outage {
            scene.stop_service();
            scene
                .browser
                .wait_for("!document.querySelector('#outage').hidden");
        }
        for scheme in ["light", "dark"] {
            scene.browser.scheme(scheme);
            let found = scene.browser.evaluate(CONTRASTS);
            let found = found.as_array().unwrap();
            assert!(found.len() > 150, "{}", found.len());
            println!("{scheme}: {} texts, least: {}", found.len(), found[0]);
            assert!(
                found[0][0].as_f64().unwrap() >= 4.5,
                "{scheme}: {:?}",
                &found[..5]
            );
        }
    }
}

#[test]
fn a_phone_need_not_be_scrolled_sideways() {
    let scene = Scene::open();
    scene.browser.size(360, 740);
    scene.visit("");
    scene.open_all();
    let wide = scene
        .browser
        .evaluate("document.documentElement.scrollWidth");
    let beyond = scene.browser.evaluate(
        "[...document.body.querySelectorAll('*')].filter((node) => node.getBoundingClientRect().right > 361).map((node) => node.outerHTML.slice(0, 80))",
    );
    assert!(wide.as_u64().unwrap() <= 360, "{wide}: {beyond}");
    assert_eq!(beyond, serde_json::json!([]));
}

#[test]
fn nothing_moves_for_those_who_asked_for_that() {
    let scene = Scene::open();
    scene.browser.call(
        "Emulation.setEmulatedMedia",
        serde_json::json!({"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}),
    );
    let moving = scene.browser.evaluate(
        "[...document.querySelectorAll('*')].filter((node) => { const style = getComputedStyle(node); return style.animationName !== 'none' || parseFloat(style.transitionDuration) > 0 || style.scrollBehavior === 'smooth'; }).length",
    );
    assert_eq!(moving, 0);
}

#[test]
fn pictures_for_eyes() {
    let scene = Scene::open();
    let browser = &scene.browser;
    for scheme in ["light", "dark"] {
        browser.scheme(scheme);
        for (device, width) in [("desktop", 1280), ("phone", 360)] {
            browser.size(width, 800);
            scene.visit("");
            browser.wait_for("document.querySelector('figure > svg > *')");
            browser.picture(&format!("{device}-{scheme}"));
        }
    }
    assert_eq!(browser.complaints(), [] as [serde_json::Value; 0]);
}

//! The page without a mouse.

use super::service::{HOSTILE_NAME, Scene};

const CONTROLS: &str = "[...document.querySelectorAll('a[href], button, summary')].filter((control) => control.checkVisibility())";

#[test]
fn tab_reaches_every_control_and_shows_where_it_is() {
    let scene = Scene::open();
    scene.open_all();
    let browser = &scene.browser;
    let number = browser
        .evaluate(&format!("{CONTROLS}.length"))
        .as_u64()
        .unwrap();
    // Five links, five sections, a button for all holders, and three links at the foot.
    assert_eq!(number, 5 + 5 + 1 + 3);
    browser.evaluate(&format!(
        "document.activeElement.blur(); scrollTo(0, 0); window.controls = {CONTROLS}; window.reached = new Set(); 0"
    ));
    // Once more than there are controls, since the first press may go to the document itself.
    for _ in 0..=number {
        browser.tab();
        let outlined = browser.evaluate(
            "(() => { const control = document.activeElement; \
                if (control === document.body) return true; \
                reached.add(control); \
                const style = getComputedStyle(control); \
                return style.outlineStyle === 'solid' && parseFloat(style.outlineWidth) >= 2; })()",
        );
        assert_eq!(outlined, true, "the focus is visible");
    }
    let missed = browser.evaluate(
        "controls.filter((control) => !reached.has(control)).map((control) => control.textContent)",
    );
    assert_eq!(missed, serde_json::json!([]));
}

#[test]
fn enter_opens_a_section_follows_a_link_and_shows_all_holders() {
    let scene = Scene::open();
    let browser = &scene.browser;
    let healthy = Scene::section("healthy");
    assert_eq!(browser.evaluate(&format!("{healthy}.open")), false);
    browser.evaluate(&format!("{healthy}.querySelector('summary').focus()"));
    browser.enter();
    browser.wait_for(&format!(
        "{healthy}.open && {healthy}.querySelector('.holders tbody tr')"
    ));
    let exhausted = Scene::section("exhausted");
    browser.evaluate(&format!("{exhausted}.open = true; 0"));
    browser.wait_for(&format!(
        "{exhausted}.querySelector('button').textContent === 'Show all 14'"
    ));
    browser.evaluate(&format!("{exhausted}.querySelector('button').focus()"));
    browser.enter();
    browser.wait_for(&format!(
        "{exhausted}.querySelectorAll('.holders tbody tr').length === 14"
    ));
    let hostile = Scene::section(HOSTILE_NAME);
    browser.evaluate(&format!(
        "[...document.querySelectorAll('#overview a')].find((link) => link.textContent === {HOSTILE_NAME:?}).focus()"
    ));
    browser.enter();
    browser.wait_for(&format!(
        "{hostile}.open && {hostile}.contains(document.activeElement)"
    ));
}

#[test]
fn an_address_with_a_pools_name_opens_it_and_a_reload_remembers_what_is_open() {
    let scene = Scene::open();
    let browser = &scene.browser;
    scene.visit("#healthy");
    let healthy = Scene::section("healthy");
    browser.wait_for(&format!(
        "{healthy}.open && {healthy}.contains(document.activeElement)"
    ));
    browser.evaluate(&format!(
        "{}.querySelector('summary').click()",
        Scene::section(HOSTILE_NAME)
    ));
    browser.wait_for(&format!("{}.open", Scene::section(HOSTILE_NAME)));
    browser.evaluate(&format!("{healthy}.querySelector('summary').click()"));
    browser.wait_for("sessionStorage.getItem('queuepool open').includes('[\"healthy\",false]')");
    scene.visit("");
    assert_eq!(browser.evaluate(&format!("{healthy}.open")), false);
    assert_eq!(
        browser.evaluate(&format!("{}.open", Scene::section(HOSTILE_NAME))),
        true
    );
}

//! The first page and the guide: short where it must be, complete where it claims to be, and every link leads somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).expect(name)
}

/// The files of the guide that are pages.
fn pages() -> BTreeSet<String> {
    let files = fs::read_dir(path("src/guide")).unwrap();
    files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".md").map(str::to_owned))
        // What stands in front of the pages, and the second part of one.
        .filter(|name| !["links", "page", "async_frameworks"].contains(&name.as_str()))
        .collect()
}

/// The definitions of links: labels and targets.
fn definitions(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .filter_map(|line| line.strip_prefix('[')?.split_once("]: "))
        .collect()
}

/// The labels that are used, as in `[words][label]`.
fn used(text: &str) -> BTreeSet<&str> {
    text.split("][")
        .skip(1)
        .map(|rest| rest.split_once(']').expect("a label").0)
        .collect()
}

/// The rows of the table that begins with this header, by their first cells without backquotes.
fn table<'a>(text: &'a str, header: &str) -> BTreeMap<String, Vec<&'a str>> {
    let table = text.split_once(header).expect(header).1;
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        (cells[0].replace('`', ""), cells[1..].to_vec())
    })
    .collect()
}

#[test]
fn the_first_page_is_read_in_a_minute() {
    let lines = text("README.md").lines().count();
    assert!(lines <= 220, "{lines} lines: put it into the guide");
}

#[test]
fn every_link_is_defined_used_and_leads_to_a_file() {
    let mut files = vec![("README.md".to_owned(), "")];
    files.extend(
        pages()
            .iter()
            .map(|page| (format!("src/guide/{page}.md"), "src/guide/")),
    );
    for (file, folder) in files {
        let text = text(&file);
        let definitions = definitions(&text);
        let defined: BTreeSet<&str> = definitions.keys().copied().collect();
        assert_eq!(used(&text), defined, "{file}");
        for target in definitions.values() {
            assert!(
                path(&format!("{folder}{target}")).is_file(),
                "{file}: {target}"
            );
        }
    }
}

#[test]
fn every_page_of_the_guide_is_reached_from_the_first_page_and_from_the_guides_own() {
    let (readme, guide, links) = (
        text("README.md"),
        text("src/guide/mod.rs"),
        text("src/guide/links.md"),
    );
    let (readme, links) = (definitions(&readme), definitions(&links));
    for page in pages() {
        let label = format!("guide::{page}");
        assert_eq!(readme.get(&*label), Some(&&*format!("src/guide/{page}.md")));
        assert_eq!(links.get(&*label), Some(&&*format!("crate::guide::{page}")));
        assert!(guide.contains(&format!("//! | [`{page}`] |")), "{page}");
    }
}

/// The guide is compiled without diesel; the example is compiled and run by tests/diesel.
#[test]
fn the_guides_driver_for_diesel_is_that_of_the_example() {
    let (guide, example) = (
        text("src/guide/drivers.md"),
        text("tests/diesel/examples/diesel.rs"),
    );
    let (_, driver) = guide.split_once("pub struct DieselDriver;\n").unwrap();
    let (driver, _) = driver.split_once("```").unwrap();
    assert!(example.contains(driver), "not in the example: {driver}");
}

#[test]
fn the_first_page_has_the_guides_defaults_and_names_in_the_environment() {
    let (readme, guide) = (text("README.md"), text("src/guide/settings.md"));
    let first = table(
        &readme,
        "| setting | URL | environment (`DB_` or `DATABASE_`) | default | meaning |",
    );
    let all = table(&guide, "| field of `Settings` | name | default | meaning |");
    assert!(first.len() > 10);
    for (field, cells) in first.iter().filter(|(field, _)| !field.is_empty()) {
        let [url, environment, default, _] = cells[..] else {
            panic!("{field}: {cells:?}");
        };
        let name = if url == "the same" {
            field
        } else {
            &url.replace('`', "")
        };
        let names: Vec<&str> = all[field][0]
            .split(", ")
            .map(|name| name.trim_matches('`'))
            .collect();
        assert!(names.contains(&name.as_str()), "{field}: {name}");
        assert_eq!(environment, format!("`DB_{}`", name.to_uppercase()));
        assert_eq!(default, all[field][1], "{field}");
    }
}

#[cfg(feature = "serde")]
#[test]
fn the_guide_has_every_setting() {
    let guide = text("src/guide/settings.md");
    let told: BTreeSet<String> =
        table(&guide, "| field of `Settings` | name | default | meaning |")
            .into_keys()
            .filter(|field| field != "(both)")
            .collect();
    let json = serde_json::to_value(queuepool::Settings::default()).unwrap();
    let fields: BTreeSet<String> = json
        .as_object()
        .unwrap()
        .keys()
        // A part of pre_ping.
        .filter(|field| *field != "pre_ping_window")
        .cloned()
        .collect();
    assert_eq!(told, fields);
}

//! The table in the documentation of `Driver`.

/// Of the names that are not linked, one is hidden, and one is asked through another.
const UNTOLD: [&str; 2] = ["log_in", "abort_handle"];

#[test]
fn the_table_tells_of_every_method() {
    let code = include_str!("../driver.rs");
    let code = code.split_once("pub trait Driver").expect("the trait").1;
    let code = code.split_once("\n}\n").expect("its end").0;
    let table = include_str!("../driver.md");
    let methods = code.split("\n    fn ").skip(1);
    let names = methods.map(|rest| rest.split('(').next().unwrap_or_default());
    let missing: Vec<&str> = names
        .filter(|name| {
            !table.contains(&format!("| [`{name}`]")) && !table.contains(&format!(", [`{name}`]"))
        })
        .filter(|name| !UNTOLD.contains(name))
        .collect();
    assert_eq!(missing, [""; 0]);
}

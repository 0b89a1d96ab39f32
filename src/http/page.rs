//! The page at `/`: a single document, put together at compile time from files that hold one concept each.

macro_rules! style {
    () => {
        concat!("\n", include_str!("page/page.css"))
    };
}

/// One module script. A file may use the constants of the files before it, and the functions of all.
macro_rules! script {
    () => {
        concat!(
            "\n",
            include_str!("page/words.js"),
            include_str!("page/findings.js"),
            include_str!("page/seats.js"),
            include_str!("page/scales.js"),
            include_str!("page/history.js"),
            include_str!("page/charts.js"),
            include_str!("page/tables.js"),
            include_str!("page/pool.js"),
            include_str!("page/live.js"),
        )
    };
}

pub(super) const PAGE: &str = concat!(
    include_str!("page/head.html"),
    "<style>",
    style!(),
    "</style>\n",
    include_str!("page/body.html"),
    "<script type=\"module\">",
    script!(),
    "</script>\n</body>\n</html>\n",
);

/// The SHA-256 hashes of what stands between the style tags and between the script tags. The browser applies no other style and
/// runs no other script. After a change to the files, the test in tests/http/page/policy.rs prints the right values.
macro_rules! style_hash {
    () => {
        "YwnK4gajjTpq5/p8Yo+9ZIiwruSw4DkSauiod/Jz0ns="
    };
}
macro_rules! script_hash {
    () => {
        "8Oo4DQWBONe+laet33hA5iaRUw0QlwqTXL+qpwzLflk="
    };
}

/// What the page may do: apply its one style, run its one script, and send requests to the service that it came from. Requiring
/// trusted types, and allowing none, makes every way of turning text into markup an error.
pub(super) const CONTENT_SECURITY_POLICY: &str = concat!(
    "default-src 'none'; script-src 'sha256-",
    script_hash!(),
    "'; style-src 'sha256-",
    style_hash!(),
    "'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_ends_where_it_should() {
        let (_, script) = PAGE.split_once("<script type=\"module\">").unwrap();
        assert_eq!(script.split("</script>").next().unwrap(), script!());
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere_and_no_text_becomes_markup() {
        // The only address is the namespace of SVG, which is a name and is not fetched.
        let addresses: Vec<&str> = PAGE.split("http").skip(1).collect();
        for address in addresses {
            assert!(
                address.starts_with("://www.w3.org/2000/svg"),
                "http{}",
                &address[..40]
            );
        }
        for way in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "style=\"",
            " onclick",
            "import(",
        ] {
            assert!(!PAGE.contains(way), "{way}");
        }
    }
}

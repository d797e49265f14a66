//! Text with `{{ placeholders }}`: all that mails need, for our own texts and for those of whoever runs the site.
//!
//! A template is checked when it is read: an unknown placeholder or an open brace is a mistake with a name. In HTML every
//! value is escaped; there is no way to switch that off.

/// A checked text with places to fill.
#[derive(Debug)]
pub struct Template(Vec<Part>);

/// A piece of a template.
#[derive(Debug)]
enum Part {
    /// Stands as it is.
    Text(String),
    /// Is filled in.
    Place(Place),
}

/// What can be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Origin of the site's pages.
    Site,
    /// Who reads it.
    Address,
    /// What to open.
    Link,
    /// How long that works.
    Life,
}

/// What is filled in.
pub struct Values<'a> {
    /// `{{ site }}`
    pub site: &'a str,
    /// `{{ address }}`
    pub address: &'a str,
    /// `{{ link }}`
    pub link: &'a str,
    /// `{{ life }}`
    pub life: &'a str,
}

impl Template {
    /// Reads a template; the refusal says what is wrong with it. A mail that brings a link must show it.
    pub fn parse(text: &str, with_link: bool) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, behind) = after.split_once("}}").ok_or("has {{ without }}")?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Place(Place::named(name.trim(), with_link)?));
            rest = behind;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    /// Whether the link is shown somewhere.
    pub fn has_link(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Place(Place::Link)))
    }

    /// Filled in as plain text.
    pub fn as_text(&self, values: &Values<'_>) -> String {
        self.fill(values, str::to_owned)
    }

    /// Filled in as HTML.
    pub fn as_html(&self, values: &Values<'_>) -> String {
        self.fill(values, escape)
    }

    /// Filled in, each value through `quote`.
    fn fill(&self, values: &Values<'_>, quote: fn(&str) -> String) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Place(place) => quote(values.at(*place)),
        };
        self.0.iter().map(part).collect()
    }
}

impl Place {
    /// The place of that name.
    fn named(name: &str, with_link: bool) -> Result<Self, String> {
        match name {
            "site" => Ok(Self::Site),
            "address" => Ok(Self::Address),
            "link" if with_link => Ok(Self::Link),
            "life" if with_link => Ok(Self::Life),
            _ => {
                let known = if with_link { "site, address, link and life" } else { "site and address" };
                Err(format!("has the placeholder {{{{ {name} }}}}; here are {known}"))
            }
        }
    }
}

impl<'a> Values<'a> {
    /// What is filled in there.
    fn at(&self, place: Place) -> &'a str {
        match place {
            Place::Site => self.site,
            Place::Address => self.address,
            Place::Link => self.link,
            Place::Life => self.life,
        }
    }
}

/// Text as HTML shows it literally, between tags and in quoted attributes.
fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: Values<'static> =
        Values { site: "https://x.example", address: "\"'><script>&\r\n", link: "l", life: "1 hour" };

    #[test]
    fn places_are_filled_and_values_are_never_markup() {
        let template =
            Template::parse("<p title=\"{{address}}\">{{ link }} {{ life }} at {{ site }}</p>", true).unwrap();
        assert_eq!(
            template.as_html(&VALUES),
            "<p title=\"&quot;&#39;&gt;&lt;script&gt;&amp;\r\n\">l 1 hour at https://x.example</p>"
        );
        assert_eq!(Template::parse("{{ address }}", false).unwrap().as_text(&VALUES), VALUES.address);
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(Template::parse("a {{ link", true).unwrap_err(), "has {{ without }}");
        assert!(Template::parse("{{ name }}", true).unwrap_err().contains("{{ name }}"));
        assert!(Template::parse("{{ link }}", false).unwrap_err().contains("site and address"));
    }
}

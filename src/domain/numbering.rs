//! One number, however it is spelt.

use phonenumber::{Mode, country};
use serde::Deserialize;

/// The country in whose way a peer, or a list, writes numbers: its two letters by ISO 3166-1, as `"NL"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Country(country::Id);

impl TryFrom<String> for Country {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let id = text.to_ascii_uppercase().parse();
        id.map(Self).map_err(|_| format!("{text:?} is no country of ISO 3166-1 such as \"NL\""))
    }
}

/// How numbers without a country's code are to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbering {
    /// The country; without one only numbers that name theirs can be told.
    pub country: Option<Country>,
    /// What a PBX puts before an international number, where it is neither the country's prefix nor `00`.
    pub international_prefix: Option<String>,
}

impl Numbering {
    /// The number by E.164 (`+31201234567`); `None` for what is no valid number that way: an extension, a short code.
    ///
    /// A number that begins with `00` names its country wherever nothing else was said, for that is the prefix which
    /// ITU-T E.164 recommends, and no valid national number begins so.
    #[must_use]
    pub fn e164(&self, number: &str) -> Option<String> {
        let own_prefix = self.international_prefix.as_deref().filter(|prefix| !prefix.is_empty());
        if let Some(rest) = own_prefix.and_then(|prefix| number.strip_prefix(prefix)) {
            return valid(None, &format!("+{rest}"));
        }
        let country = self.country.map(|country| country.0);
        let national =
            if number.starts_with('+') || country.is_some() { valid(country, number) } else { None };
        national.or_else(|| valid(None, &format!("+{}", number.strip_prefix("00")?)))
    }
}

fn valid(country: Option<country::Id>, number: &str) -> Option<String> {
    let number = phonenumber::parse(country, number).ok()?;
    number.is_valid().then(|| number.format().mode(Mode::E164).to_string())
}

/// Other ways in which earlier versions kept a number by E.164: as a PBX may have sent it.
pub(super) fn spellings(e164: &str) -> Vec<String> {
    let Some(plain) = e164.strip_prefix('+') else { return Vec::new() };
    let national = phonenumber::parse(None, e164).ok().map(|number| {
        number.format().mode(Mode::National).to_string().chars().filter(char::is_ascii_digit).collect()
    });
    [format!("00{plain}"), plain.to_owned()].into_iter().chain(national).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(country: &str) -> Numbering {
        Numbering { country: Some(Country::try_from(country.to_owned()).unwrap()), ..Numbering::default() }
    }

    #[test]
    fn one_number_in_every_spelling() {
        for spelt in ["+31201234567", "0031201234567", "0201234567", "+310201234567", "31201234567"] {
            assert_eq!(of("nl").e164(spelt).as_deref(), Some("+31201234567"), "{spelt}");
        }
        assert_eq!(of("US").e164("01131201234567").as_deref(), Some("+31201234567"));
        assert_eq!(of("US").e164("0031201234567").as_deref(), Some("+31201234567"));
        assert_eq!(Numbering::default().e164("0031201234567").as_deref(), Some("+31201234567"));
        let prefixed = Numbering { international_prefix: Some("000".into()), ..of("NL") };
        assert_eq!(prefixed.e164("000442079460000").as_deref(), Some("+442079460000"));
        assert_eq!(prefixed.e164("0201234567").as_deref(), Some("+31201234567"));
    }

    #[test]
    fn what_is_no_number_of_the_plan_stays_apart() {
        for short in ["4711", "112", "anna", "", "+", "+3120", "0201234567890123456789"] {
            assert_eq!(of("NL").e164(short), None, "{short}");
        }
        assert_eq!(Numbering::default().e164("0201234567"), None, "no country was said");
        assert!(Country::try_from("XX".to_owned()).is_err());
    }

    #[test]
    fn earlier_versions_knew_it_by_other_spellings() {
        assert_eq!(spellings("+31201234567"), ["0031201234567", "31201234567", "0201234567"]);
        assert!(spellings("anna").is_empty());
    }
}

//! The texts inside `@ts`, `@date`, `@bytes` and `@uuid`.

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};

use crate::ir::{Date, Time};

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

pub fn time(text: &str) -> Option<Time> {
    Time::parse(text)
}

pub fn date(text: &str) -> Option<Date> {
    Date::parse(text)
}

/// Bytes in either alphabet of base64.
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.replace('-', "+").replace('_', "/")).ok()
}

/// A UUID in Java's reading: five groups of hexadecimal digits, which may be short.
pub fn uuid(text: &str) -> Option<u128> {
    let widths = [32_u32, 16, 16, 16, 48];
    let mut value = 0_u128;
    let mut groups = text.split('-');
    for width in widths {
        let group = groups.next().filter(|group| !group.is_empty() && group.len() <= 16)?;
        let number = u128::from_str_radix(group, 16).ok()?;
        value = value << width | number & ((1 << width) - 1);
    }
    groups.next().is_none().then_some(value)
}

//! A numeric as text: the driver has no type for it.

/// The text that the server itself would write. `None` if the bytes are not in the form of `numeric_send`: four words, which are
/// the number of digits, the weight of the first, the sign and the number of decimals, and then the digits to the base 10,000.
pub(super) fn text(raw: &[u8]) -> Option<String> {
    let (words, []) = raw.as_chunks::<2>() else {
        return None;
    };
    let words: Vec<u16> = words.iter().map(|word| u16::from_be_bytes(*word)).collect();
    let [count, weight, sign, decimals, digits @ ..] = words.as_slice() else {
        return None;
    };
    let sign = match sign {
        0 => "",
        0x4000 => "-",
        0xc000 => return Some("NaN".to_owned()),
        0xd000 => return Some("Infinity".to_owned()),
        0xf000 => return Some("-Infinity".to_owned()),
        _ => return None,
    };
    if digits.len() != usize::from(*count) || digits.iter().any(|digit| *digit > 9_999) {
        return None;
    }
    // The weight is the power of the first digit's unit, and may be negative.
    let weight = i32::from(weight.cast_signed());
    let digit = |power: i32| {
        let index = usize::try_from(weight - power).ok();
        index
            .and_then(|index| digits.get(index))
            .copied()
            .unwrap_or(0)
    };
    let mut whole: String = (0..=weight.max(0))
        .rev()
        .map(|power| format!("{:04}", digit(power)))
        .collect();
    whole = whole.trim_start_matches('0').to_owned();
    if whole.is_empty() {
        whole.push('0');
    }
    let decimals = usize::from(*decimals);
    if decimals == 0 {
        return Some(format!("{sign}{whole}"));
    }
    let groups = i32::try_from(decimals.div_ceil(4)).ok()?;
    let mut fraction: String = (1..=groups)
        .map(|group| format!("{:04}", digit(-group)))
        .collect();
    fraction.truncate(decimals);
    Some(format!("{sign}{whole}.{fraction}"))
}

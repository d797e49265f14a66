//! Characters that show nothing, or change the direction of what follows: with them two different texts look the same.

/// Characters of this kind that a name may need: joiners of Persian, Indic scripts and emoji, and the emoji selector.
const JOINERS: [char; 3] = ['\u{200c}', '\u{200d}', '\u{fe0f}'];

/// Whether a display name must not contain this character. Control characters are checked by the caller.
pub fn is_refused_in_names(c: char) -> bool {
    is_invisible(c) && !JOINERS.contains(&c)
}

/// Whether a character shows nothing: soft hyphen, zero-width characters, bidirectional controls, fillers, tags.
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

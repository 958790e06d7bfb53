//! Looking at the screen: where a picture or a text is.
//!
//! | file | what |
//! |---|---|
//! | `image` | where a small picture is, nearly |
//! | `text` | what is written, in words and lines, and where a text is |
//! | `tesseract` | the program that reads |

pub mod image;
pub mod tesseract;
pub mod text;

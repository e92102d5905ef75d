//! Wire protocol and stored files of builder.

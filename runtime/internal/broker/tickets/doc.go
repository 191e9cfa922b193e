// Package tickets owns the formats of everything that the broker seals: what each holds, how it is
// written, and which versions of this program can read it. Package seal makes the values secret and
// unforgeable; this one says what is inside.
//
// # Format
//
// A payload is a record: two numbers, then the fields in a fixed order. The first number is the
// version that wrote it, the second the least version that may read it.
//
// # What is promised
//
// Replicas are upgraded one after another, and an upgrade must log nobody out. So a value is read
// by the version that wrote it, by the one after it, and by earlier ones down to the second number:
//
//   - A version that only adds fields at the end keeps the second number. Earlier versions then
//     ignore those fields, and lose them where they make a new value of an old one, such as a
//     refresh token of a refresh token. Only what weakens nothing when it is ignored may be added
//     so.
//   - A version whose fields must not be ignored, such as a key that a token is bound to, writes
//     its own number twice. Earlier versions refuse the value, as they do every value that they
//     cannot read.
//   - Where most values do without such a field, only those that have it are written so.
//   - A value of this version or an earlier one that is longer than its fields is refused.
//
// testdata has a value of each format and version, sealed once and never again: a test opens them
// all. A new version adds its files and leaves the others alone.
package tickets

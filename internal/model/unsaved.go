package model

// Unsaved is what a server failed to write to its volume the last time it tried.
type Unsaved int

// What it may be. Nothing is also what is said of a server that writes nothing.
const (
	UnsavedNothing Unsaved = iota
	// UnsavedSnapshot: the last snapshot that its own rules asked for.
	UnsavedSnapshot
	// UnsavedLog: the last write to the append-only file.
	UnsavedLog
	// UnsavedRewrite: the last append-only file that was to take the place of a
	// longer one.
	UnsavedRewrite
)

// Package client speaks Holdfast's HTTP interface for the command line and for the demo.
//
// client.go sends one call and sorts what can come of it into four kinds, never mixed: an answer, a
// [Problem] (the server's no, or its trouble), an [UnreachableError] (nothing was sent, so nothing
// happened) and an [UnknownError] (it may or may not have happened; the same call under the same
// key finds out). retry.go repeats what may be repeated. api.go has the shapes of the interface
// that the commands use; unknown fields are ignored, so that an older command understands a newer
// server.
package client

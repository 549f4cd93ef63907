// Package driver sends the calls of a scenario at their times and keeps what was answered.
//
// It has connections of its own over net.Conn: a client library that pools may send a call again
// when a connection broke, and then nobody knows how often it was sent. Here a connection carries one
// call at a time, and what breaks with it is an answer that never came.
package driver

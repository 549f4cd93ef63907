// Package history records what clients asked, when, and what they were told: the only thing that
// the judge of a robustness run believes.
package history

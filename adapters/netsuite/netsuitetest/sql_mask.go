package netsuitetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maskParts are the parts of a date mask, longer ones before those that they begin with.
var maskParts = []string{"YYYY", "HH24", "HH12", "TZH", "TZM", "YY", "MM", "DD", "HH", "MI", "SS", "FF"}

// splitMask cuts a mask into its parts and the signs between them. It raises at what is no mask.
func splitMask(mask string) []string {
	var out []string
	for rest := mask; rest != ""; {
		i := slices.IndexFunc(maskParts, func(p string) bool {
			return strings.HasPrefix(strings.ToUpper(rest), p)
		})
		switch {
		case i >= 0:
			part := maskParts[i]
			rest = rest[len(part):]
			if part == "FF" && rest != "" && isDigit(rest[0]) {
				part += rest[:1]
				rest = rest[1:]
			}
			out = append(out, part)
		case rest[0] == '"':
			end := strings.IndexByte(rest[1:], '"')
			if end < 0 {
				raise("Search error occurred: Invalid date format %s", mask)
			}
			out = append(out, "'"+rest[1:end+1])
			rest = rest[end+2:]
		case strings.IndexByte("-/:., T", rest[0]) >= 0:
			out = append(out, "'"+rest[:1])
			rest = rest[1:]
		default:
			raise("Search error occurred: Invalid date format %s", mask)
		}
	}
	return out
}

// formatMask writes a time by a mask.
func formatMask(t time.Time, mask string) string {
	var b strings.Builder
	_, offset := t.Zone()
	sign := "+"
	if offset < 0 {
		sign, offset = "-", -offset
	}
	for _, part := range splitMask(mask) {
		switch part {
		case "YYYY":
			fmt.Fprintf(&b, "%04d", t.Year())
		case "YY":
			fmt.Fprintf(&b, "%02d", t.Year()%100)
		case "MM":
			fmt.Fprintf(&b, "%02d", int(t.Month()))
		case "DD":
			fmt.Fprintf(&b, "%02d", t.Day())
		case "HH24":
			fmt.Fprintf(&b, "%02d", t.Hour())
		case "HH", "HH12":
			fmt.Fprintf(&b, "%02d", (t.Hour()+11)%12+1)
		case "MI":
			fmt.Fprintf(&b, "%02d", t.Minute())
		case "SS":
			fmt.Fprintf(&b, "%02d", t.Second())
		case "TZH":
			fmt.Fprintf(&b, "%s%02d", sign, offset/3600)
		case "TZM":
			fmt.Fprintf(&b, "%02d", offset/60%60)
		default:
			if rest, ok := strings.CutPrefix(part, "FF"); ok {
				digits := 9
				if rest != "" {
					digits = int(rest[0] - '0')
				}
				b.WriteString(fmt.Sprintf("%09d", t.Nanosecond())[:min(9, digits)])
				continue
			}
			b.WriteString(part[1:])
		}
	}
	return b.String()
}

// parseMask reads a time by a mask. Without TZH it is one of the zone given.
func parseMask(text, mask string, zone *time.Location) time.Time {
	bad := func() { raise("Search error occurred: Invalid date %s for the format %s", text, mask) }
	n := map[string]int{"YYYY": 1, "MM": 1, "DD": 1}
	sign := 1
	rest := text
	for _, part := range splitMask(mask) {
		if plain, ok := strings.CutPrefix(part, "'"); ok {
			if !strings.HasPrefix(rest, plain) {
				bad()
			}
			rest = rest[len(plain):]
			continue
		}
		if part == "TZH" && rest != "" && (rest[0] == '+' || rest[0] == '-') {
			if rest[0] == '-' {
				sign = -1
			}
			rest = rest[1:]
		}
		most := 2
		switch {
		case part == "YYYY":
			most = 4
		case strings.HasPrefix(part, "FF"):
			most, part = 9, "FF"
		}
		digits := min(span(rest, isDigit), most)
		v, err := strconv.Atoi(rest[:digits])
		if err != nil {
			bad()
		}
		n[part], rest = v, rest[digits:]
	}
	if rest != "" {
		bad()
	}
	if _, ok := n["TZH"]; ok {
		zone = time.FixedZone("", sign*(n["TZH"]*3600+n["TZM"]*60))
	}
	hour := n["HH24"] + n["HH"] + n["HH12"]
	t := time.Date(n["YYYY"], time.Month(n["MM"]), n["DD"], hour, n["MI"], n["SS"], 0, zone)
	if t.Month() != time.Month(n["MM"]) || t.Day() != n["DD"] || hour > 23 || n["MI"] > 59 {
		bad()
	}
	return t
}

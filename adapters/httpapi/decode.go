package httpapi

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/bytedance/sonic"
)

// strict is the configuration that fills structs. The pass over the body has refused what it could
// let through (duplicate members, bad UTF-8, trailing bytes) and has put a path on what it would
// refuse; both reading the same body keeps a gap in one from becoming a gap in the edge.
var strict = sonic.Config{
	DisallowUnknownFields: true,
	CaseSensitive:         true,
	ValidateString:        true,
	CopyString:            true,
	UseUnicodeErrors:      true,
}.Froze()

// body is a type that sonic fills, with its shape.
type body[T any] struct{ shape *shape }

func newBody[T any]() body[T] {
	return body[T]{shape: shapeOf(reflect.TypeFor[T]())}
}

// The bodies, each with its shape.
var (
	locationBodies     = newBody[locationBody]()
	channelBodies      = newBody[channelBody]()
	skuBodies          = newBody[skuBody]()
	skusBodies         = newBody[skusBody]()
	stockBodies        = newBody[stockBody]()
	availabilityBodies = newBody[availabilityBody]()
	memberBodies       = newBody[memberBody]()
	leadershipBodies   = newBody[leadershipBody]()
)

// precompile makes sonic compile every type before the first request: the first use of a type by
// two requests at once is where its compiler has had faults, and it would be slow. It fails when
// sonic is not itself on this platform but a wrapper of encoding/json, which is not strict.
func precompile() error {
	if sonic.APIKind != sonic.UseSonicJSON {
		return errors.New("httpapi: sonic does not support this platform or Go version")
	}
	for _, t := range []reflect.Type{
		reflect.TypeFor[locationBody](), reflect.TypeFor[channelBody](),
		reflect.TypeFor[skuBody](), reflect.TypeFor[skusBody](), reflect.TypeFor[stockBody](),
		reflect.TypeFor[availabilityBody](), reflect.TypeFor[poolBody](),
		reflect.TypeFor[shipmentBody](), reflect.TypeFor[cancelBody](),
		reflect.TypeFor[returnBody](), reflect.TypeFor[refundBody](),
		reflect.TypeFor[mappingsBody](), reflect.TypeFor[memberBody](), reflect.TypeFor[leadershipBody](),
		reflect.TypeFor[skuAttributes](), reflect.TypeFor[locationAttributes](),
		reflect.TypeFor[channelAttributes](), reflect.TypeFor[modeBody](),
		reflect.TypeFor[runBody](), reflect.TypeFor[keyInput](),
	} {
		if err := sonic.Pretouch(t); err != nil {
			return fmt.Errorf("httpapi: compile the decoder of %v: %w", t, err)
		}
	}
	return nil
}

// decode reads a body into v, which must be zero. text must be the caller's own copy. The error is
// a *problem or nil.
func (b body[T]) decode(text string, v *T) error {
	s := scan{in: text}
	s.walk(b.shape)
	s.end()
	if s.bad != nil {
		return s.bad
	}
	if err := strict.UnmarshalFromString(text, v); err != nil {
		var zero T
		*v = zero
		return invalid("", "The body is not what this call takes: "+err.Error())
	}
	return nil
}

package oauth

import (
	"net/http"
	"reflect"
)

// UserMapper is the capability of a provider to turn verified claims into the common user shape. In
// a configuration it replaces a provider's own mapping.
type UserMapper interface {
	UserInfo(claims Claims) UserInfo
}

// UserMapperFunc is a function as a [UserMapper].
type UserMapperFunc func(claims Claims) UserInfo

// UserInfo calls the function.
func (f UserMapperFunc) UserInfo(claims Claims) UserInfo { return f(claims) }

// MetadataServer is the capability of a provider that serves authorization server metadata of its
// own. The metadata of any other provider is put together from its [Description].
type MetadataServer interface {
	// MetadataHandler serves the document of a well-known suffix, [WellKnownAuthorizationServer] or
	// [WellKnownOpenID].
	MetadataHandler(suffix string) http.Handler
}

// maxWrappers is how many providers may be wrapped in each other. More than that is a wrapper that
// unwraps to itself.
const maxWrappers = 64

// Capability returns the outermost provider of a chain of wrappers that has the capability C, an
// interface. A chain is followed by the method Unwrap() Provider.
//
// A type that embeds a concrete provider has its capabilities without Unwrap. A caller must
// therefore never take a capability that answers in the place of Verify from here without a look at
// whose it is.
func Capability[C any](provider Provider) (C, bool) {
	for range maxWrappers {
		if isNil(provider) {
			break
		}
		if capability, ok := provider.(C); ok {
			return capability, true
		}
		wrapper, ok := provider.(interface{ Unwrap() Provider })
		if !ok {
			break
		}
		provider = wrapper.Unwrap()
	}
	var none C
	return none, false
}

// isNil reports whether a provider is nil, or a nil pointer.
func isNil(provider Provider) bool {
	if provider == nil {
		return true
	}
	value := reflect.ValueOf(provider)
	return value.Kind() == reflect.Pointer && value.IsNil()
}

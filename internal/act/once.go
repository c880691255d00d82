package act

import (
	"net/http"
	"strings"
)

// EvictOnce keeps client-go from sending an eviction again by itself: it would
// wait for as long as the API server's Retry-After says (10 s while a budget is
// being worked on), up to ten times, and then evict a pod that nobody has looked
// at since.
func EvictOnce(next http.RoundTripper) http.RoundTripper { return evictOnce{next} }

type evictOnce struct{ next http.RoundTripper }

// RoundTrip drops the invitation to come again from answers to evictions.
func (e evictOnce) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := e.next.RoundTrip(r)
	if response != nil && strings.HasSuffix(r.URL.Path, "/eviction") {
		response.Header.Del("Retry-After")
	}
	return response, err
}

//go:build !integration

package producer

import "time"

// modelTime is how long TestModel goes on in the quick loop, hundreds of seeds
// under the race detector.
const modelTime = 12 * time.Second

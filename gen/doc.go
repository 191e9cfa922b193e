// Package gen turns specs of identity providers into Go packages. It is five functions: [spec.Parse], [spec.Validate],
// [NewModel], [Emit] and [Format]; [Generate] runs them over a set of specs and returns files. Package output writes them
// or compares them with what is there.
package gen

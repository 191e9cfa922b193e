// Package storetest is the suite that every [store.Store] passes, whatever keeps its entries: what
// proxy mode relies on, written as tests. A package with a store of its own runs it:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Config{
//			New:      func(t *testing.T) store.Store { return newStore(t) },
//			RealTime: true, // entries are in another process
//		})
//	}
package storetest

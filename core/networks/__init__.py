"""Networks and the operations on their maps; imported only where torch is needed."""

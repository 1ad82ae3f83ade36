from crossdl.testing import contract_tests

test_contract = contract_tests(slot="pooling", kind="percentile")

from harness.contract import contract

test_contract = contract("harness.toml")  # one pytest item per check

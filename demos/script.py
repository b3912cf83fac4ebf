# %% [markdown]
# # A script for VS Code
#
# Run it cell by cell in the Interactive Window, or whole from a shell:
#
#     hpmagic run demos/script.py
#     hpmagic run demos/script.py grid --trials 12

# %%
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler

try:
    get_ipython().run_line_magic("load_ext", "hpmagic")
except NameError:
    pass  # run as plain Python: the cell below runs once, with the values written in it

X, y = load_wine(return_X_y=True)

# %%
# @tune bayes --trials 15 --seed 0
scaler = StandardScaler  # tune: choice(StandardScaler, RobustScaler)
C = 1.0  # tune: loguniform(1e-3, 1e3), n=5
l1_ratio = 0.0  # tune: uniform(0, 1), n=3

model = make_pipeline(
    scaler(),
    LogisticRegression(C=C, l1_ratio=l1_ratio, solver="saga", max_iter=200, tol=1e-2),
)
loss = -cross_val_score(model, X, y, cv=5, scoring="neg_log_loss").mean()  # tune: minimize

# %%
print(f"log loss {loss:.4f} with C={C}, l1_ratio={l1_ratio}, {scaler.__name__}")

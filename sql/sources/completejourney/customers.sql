-- One row per household that answered the survey; ages are known as bands only.
select
    f.household_id as customer_id,
    f.age as age_band,
    f.line
from file as f

-- How many customers are women, how many are men?
-- One row per gender, always all four; `share` is of all customers, those of unknown gender included.
with customers as (
    select
        c.gender,
        count(*) as customers
    from core.customers as c
    group by c.gender
),

genders as (
    select 'female' as gender, 1 as sort_order
    union all
    select 'male' as gender, 2 as sort_order
    union all
    select 'other' as gender, 3 as sort_order
    union all
    select 'unknown' as gender, 4 as sort_order
),

final as (
    select
        g.gender,
        coalesce(c.customers, 0) as customers,
        coalesce(c.customers, 0)::double precision / nullif(sum(c.customers) over (), 0) as share,
        g.sort_order
    from genders as g
    left join customers as c on g.gender = c.gender
)

select
    f.gender,
    f.customers,
    f.share
from final as f
order by f.sort_order

-- How old are our customers?
-- One row per age group, always all of them, `Unknown` last; `share` is of all customers. Order by `sort_order`.
with customers as (
    select
        c.age_group,
        count(*) as customers
    from core.customers as c
    group by c.age_group
),

age_groups as (
    select
        g.age_group,
        g.sort_order
    from core.age_groups as g
),

final as (
    select
        g.age_group,
        coalesce(c.customers, 0) as customers,
        coalesce(c.customers, 0)::double precision / nullif(sum(c.customers) over (), 0) as share,
        g.sort_order
    from age_groups as g
    left join customers as c on g.age_group = c.age_group
)

select * from final
order by sort_order

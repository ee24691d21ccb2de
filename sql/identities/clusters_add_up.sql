-- One row per table of clusters and figure that is compared with the scored customers.
with scored as (
    select
        count(*) as customers,
        sum(r.monetary) as net_sales
    from customer.rfm as r
    where r.is_scored
),

sets as (
    select 'rfm' as feature_set
    union all
    select 'behaviour' as feature_set
),

members as (
    select
        c.feature_set,
        count(*) as customers
    from customer.clusters as c
    group by c.feature_set
),

profiles as (
    select
        p.feature_set,
        sum(p.customers) as customers,
        sum(p.net_sales) as net_sales
    from customer.cluster_profiles as p
    group by p.feature_set
),

scores as (
    select count(*) as customers
    from customer.rfm_kmeans as k
),

compared as (
    select
        'customer.clusters' as derived,
        'customers of ' || s.feature_set as item,
        coalesce(m.customers, 0) as left_value,
        c.customers as right_value
    from sets as s
    cross join scored as c
    left join members as m on s.feature_set = m.feature_set
    union all
    select
        'customer.cluster_profiles' as derived,
        'customers of ' || s.feature_set as item,
        coalesce(p.customers, 0) as left_value,
        c.customers as right_value
    from sets as s
    cross join scored as c
    left join profiles as p on s.feature_set = p.feature_set
    union all
    select
        'customer.cluster_profiles' as derived,
        'net sales of ' || s.feature_set as item,
        coalesce(p.net_sales, 0) as left_value,
        coalesce(c.net_sales, 0) as right_value
    from sets as s
    cross join scored as c
    left join profiles as p on s.feature_set = p.feature_set
    union all
    select
        'customer.rfm_kmeans' as derived,
        'customers' as item,
        k.customers as left_value,
        c.customers as right_value
    from scored as c
    cross join scores as k
),

final as (
    select
        c.derived,
        c.item,
        c.left_value,
        c.right_value,
        c.left_value - c.right_value as difference
    from compared as c
)

select * from final

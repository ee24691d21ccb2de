-- What do one-time buyers look like?
-- Customers whose first order is at least 90 days old, by what is known of them and of that first order:
-- which part of the customers of each group never ordered again (`one_time_rate`, with its 95 % Wilson
-- interval), and how this compares with all of them (`all_one_time_rate`). Groups with too few customers
-- (core.parameters.min_group_size) are left out; of each trait at most ten groups stand here, the largest.
-- Younger customers have had too little time and are not asked. It describes and proves no cause.
with windows as (
    select r.window_days
    from customer.repeat_purchase as r
    where r.window_name = '90 days'
),

members as (
    select
        m.customer_id,
        m.first_order_date,
        m.first_category,
        m.first_store_name,
        m.first_device_type,
        m.first_has_discount
    from cohort.members as m
),

profiles as (
    select
        p.customer_id,
        p.orders,
        p.gender,
        p.age_group,
        p.location,
        p.subscription_status
    from customer.profile as p
),

customers as (
    select
        m.customer_id,
        p.orders = 1 as is_one_time,
        m.first_category,
        m.first_store_name,
        m.first_device_type,
        case when m.first_has_discount then 'with discount' else 'without discount' end as first_discount,
        p.gender,
        p.age_group,
        p.location,
        case
            when p.subscription_status then 'subscriber'
            when not p.subscription_status then 'not subscriber'
            else 'unknown'
        end as subscription
    from members as m
    cross join core.clock as c
    cross join windows as w
    inner join profiles as p on m.customer_id = p.customer_id
    where m.first_order_date + w.window_days <= c.as_of_date
),

traits as (
    select 1 as sort_order, 'first category' as breakdown, c.first_category as member, c.is_one_time
    from customers as c
    union all
    select 2 as sort_order, 'first discount' as breakdown, c.first_discount as member, c.is_one_time
    from customers as c
    union all
    select 3 as sort_order, 'first store' as breakdown, c.first_store_name as member, c.is_one_time
    from customers as c
    union all
    select 4 as sort_order, 'first device' as breakdown, c.first_device_type as member, c.is_one_time
    from customers as c
    union all
    select 5 as sort_order, 'age group' as breakdown, c.age_group as member, c.is_one_time
    from customers as c
    union all
    select 6 as sort_order, 'gender' as breakdown, c.gender as member, c.is_one_time
    from customers as c
    union all
    select 7 as sort_order, 'location' as breakdown, c.location as member, c.is_one_time
    from customers as c
    union all
    select 8 as sort_order, 'subscription' as breakdown, c.subscription as member, c.is_one_time
    from customers as c
),

counted as (
    select
        t.sort_order,
        t.breakdown,
        coalesce(t.member, 'Unknown') as member,
        count(*) as customers,
        count(*) filter (where t.is_one_time) as one_time_customers
    from traits as t
    group by t.sort_order, t.breakdown, coalesce(t.member, 'Unknown')
),

compared as (
    select
        c.sort_order,
        c.breakdown,
        c.member,
        c.customers,
        c.one_time_customers,
        c.one_time_customers::double precision as k,
        c.customers::double precision as n,
        sum(c.customers) over (partition by c.breakdown)::bigint as all_customers,
        sum(c.one_time_customers) over (partition by c.breakdown)::bigint as all_one_time_customers,
        row_number() over (partition by c.breakdown order by c.customers desc, c.member) as place
    from counted as c
),

constants as (
    select
        1.959964::double precision as z,
        k.min_group_size
    from core.parameters as k
),

final as (
    select
        c.breakdown,
        c.member,
        c.customers,
        c.one_time_customers,
        c.k / nullif(c.n, 0) as one_time_rate,
        greatest(
            0,
            (2 * c.k + z.z * z.z - z.z * sqrt(z.z * z.z + 4 * c.k * (c.n - c.k) / nullif(c.n, 0)))
            / nullif(2 * (c.n + z.z * z.z), 0)
        ) as ci_low,
        least(
            1,
            (2 * c.k + z.z * z.z + z.z * sqrt(z.z * z.z + 4 * c.k * (c.n - c.k) / nullif(c.n, 0)))
            / nullif(2 * (c.n + z.z * z.z), 0)
        ) as ci_high,
        c.all_customers,
        c.all_one_time_customers,
        c.all_one_time_customers::double precision / nullif(c.all_customers, 0) as all_one_time_rate,
        c.sort_order
    from compared as c
    cross join constants as z
    where c.place <= 10 and c.customers >= z.min_group_size
)

select * from final
order by sort_order, one_time_rate desc, member

-- One row per customer: groups by preference, location and habit, and the three together.
-- Preference: the top category of `customer.category_features` if its affinity lift is 1.2 or more, else
-- `Mixed`; `Unknown` without any interest in goods. Location: places with at least one customer in a hundred,
-- else `Other`. Habit: the class of `customer.order_intervals`, with a mark for those who buy on discount
-- only: three orders or more, nine in ten of them discounted.
with limits as (
    select
        1.2 as least_lift,
        100 as least_share_of,
        3 as least_orders,
        10 as tenths,
        9 as discounted_tenths
),

customers as (
    select
        m.customer_id,
        m.location,
        count(*) over (partition by m.location) as customers_there,
        count(*) over () as all_customers
    from core.customers as m
),

preferences as (
    select
        f.customer_id,
        f.category,
        f.affinity_lift
    from customer.category_features as f
    where f.is_top_category
),

discounts as (
    select
        o.customer_id,
        count(*) as orders,
        count(*) filter (where o.is_discounted) as discounted_orders
    from kpi.order_traits as o
    where o.customer_id is not null
    group by o.customer_id
),

grouped as (
    select
        m.customer_id,
        case
            when p.category is null then 'Unknown'
            when p.affinity_lift >= l.least_lift then p.category
            else 'Mixed'
        end as preference_group,
        case
            when m.location = 'Unknown' or m.customers_there * l.least_share_of >= m.all_customers
                then m.location
            else 'Other'
        end as location_group,
        i.frequency_class,
        coalesce(d.orders, 0) as orders,
        coalesce(d.discounted_orders, 0) as discounted_orders,
        coalesce(
            d.orders >= l.least_orders and d.discounted_orders * l.tenths >= d.orders * l.discounted_tenths,
            false
        ) as is_discount_only
    from customers as m
    cross join limits as l
    left join preferences as p on m.customer_id = p.customer_id
    left join discounts as d on m.customer_id = d.customer_id
    left join customer.order_intervals as i on m.customer_id = i.customer_id
),

named as (
    select
        g.customer_id,
        g.preference_group,
        g.location_group,
        coalesce(g.frequency_class, 'no order')
        || case when g.is_discount_only then ', discount only' else '' end as habit_group,
        g.orders,
        g.discounted_orders,
        g.is_discount_only
    from grouped as g
),

final as (
    select
        n.customer_id,
        n.preference_group,
        n.location_group,
        n.habit_group,
        n.preference_group || ' / ' || n.location_group || ' / ' || n.habit_group as combined_group,
        n.orders,
        n.discounted_orders,
        n.is_discount_only
    from named as n
)

select * from final

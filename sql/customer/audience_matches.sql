-- One row per audience and customer who fits it, whether they may be written to or not.
-- Audiences are rows of `core.audience_rules`: a customer fits if all conditions of at least one of its rows
-- hold; a column that is empty there is no condition, and an unknown attribute fulfils none. Sizes and
-- overlaps come from here; to write to people, take `customer.audience_members`, which holds those alone who
-- agreed.
with rules as (
    select
        r.audience_id,
        r.audience_name,
        r.rfm_segment,
        r.loyalty_segment,
        r.engagement_segment,
        r.min_orders,
        r.max_orders,
        r.min_days_since_order,
        r.max_days_since_order,
        r.min_days_past_due,
        r.max_days_past_due,
        r.max_days_since_open_cart,
        r.is_top_revenue,
        r.is_discount_only,
        r.is_subscriber,
        r.min_age,
        r.max_age
    from core.audience_rules as r
),

customers as (
    select
        p.customer_id,
        p.marketing_consent,
        p.rfm_segment,
        p.loyalty_segment,
        p.engagement_segment,
        p.orders,
        c.as_of_date - p.last_order_date as days_since_order,
        c.as_of_date - p.next_order_due_date as days_past_due,
        case
            when coalesce(p.last_order_date < p.last_abandoned_date, true)
                then c.as_of_date - p.last_abandoned_date
        end as days_since_open_cart,
        p.is_top_revenue,
        p.is_discount_only,
        p.subscription_status,
        p.age,
        p.net_sales
    from customer.profile as p
    cross join core.clock as c
),

final as (
    select distinct
        r.audience_id,
        m.customer_id,
        r.audience_name,
        m.marketing_consent,
        coalesce(m.marketing_consent, false) as is_reachable,
        m.net_sales
    from customers as m
    inner join rules as r
        on (r.rfm_segment is null or m.rfm_segment = r.rfm_segment)
        and (r.loyalty_segment is null or m.loyalty_segment = r.loyalty_segment)
        and (r.engagement_segment is null or m.engagement_segment = r.engagement_segment)
        and (r.min_orders is null or m.orders >= r.min_orders)
        and (r.max_orders is null or m.orders <= r.max_orders)
        and (r.min_days_since_order is null or m.days_since_order >= r.min_days_since_order)
        and (r.max_days_since_order is null or m.days_since_order <= r.max_days_since_order)
        and (r.min_days_past_due is null or m.days_past_due >= r.min_days_past_due)
        and (r.max_days_past_due is null or m.days_past_due <= r.max_days_past_due)
        and (r.max_days_since_open_cart is null or m.days_since_open_cart <= r.max_days_since_open_cart)
        and (r.is_top_revenue is null or m.is_top_revenue = r.is_top_revenue)
        and (r.is_discount_only is null or m.is_discount_only = r.is_discount_only)
        and (r.is_subscriber is null or m.subscription_status = r.is_subscriber)
        and (r.min_age is null or m.age >= r.min_age)
        and (r.max_age is null or m.age <= r.max_age)
)

select * from final

-- One row per session of a visitor, known robots left out, up to the as-of date: core.sessions with what is
-- known of who came, on which device, from where and how. The visitor is the customer of the session; of a
-- session without a login the customer whom core.identities finds for the device; and otherwise the device
-- itself.
-- The channel is that of the first campaign of the session, or else of the page from which the visitor came.
with sessions as (
    select
        s.session_id,
        s.session_month,
        s.actor_id,
        s.device_id,
        s.customer_id,
        s.started_at,
        s.ended_at,
        s.session_date,
        s.duration_seconds,
        s.events,
        s.visits,
        s.views,
        s.searches,
        s.carts,
        s.removes,
        s.wishlists,
        s.checkouts,
        s.purchases,
        s.distinct_products_viewed,
        s.is_bounce,
        s.is_engaged,
        s.entry_page_url,
        s.exit_page_url,
        s.entry_page_type,
        s.exit_page_type,
        s.reached_view,
        s.reached_cart,
        s.reached_purchase,
        s.referrer,
        regexp_replace(
            split_part(regexp_replace(lower(s.referrer), '^[a-z0-9.+-]+://', ''), '/', 1), '^www\.', ''
        ) as referrer_host,
        regexp_replace(
            split_part(regexp_replace(lower(s.entry_page_url), '^[a-z0-9.+-]+://', ''), '/', 1), '^www\.', ''
        ) as own_host,
        s.utm_source,
        s.utm_medium,
        s.utm_campaign,
        lower(s.utm_medium) as medium,
        s.orders,
        s.net_sales,
        s.source_id
    from core.sessions as s
),

clock as (
    select k.as_of_date
    from core.clock as k
),

devices as (
    select
        d.device_id,
        d.device_type,
        d.location,
        d.is_bot
    from core.devices as d
),

identities as (
    select
        'device:' || i.identity_value as actor_id,
        i.customer_id
    from core.identities as i
    where i.identity_type = 'device'
),

customers as (
    select
        c.customer_id,
        c.location
    from core.customers as c
),

final as (
    select
        s.session_id,
        s.session_month,
        coalesce(s.customer_id, i.customer_id, s.actor_id) as visitor_id,
        coalesce(s.customer_id, i.customer_id) as customer_id,
        s.customer_id is not null as is_known,
        s.device_id,
        coalesce(d.device_type, 'unknown') as device_type,
        coalesce(nullif(c.location, 'Unknown'), d.location, 'Unknown') as location,
        case
            when s.medium in ('cpc', 'ppc', 'sem', 'paid', 'paidsearch', 'paid_search', 'paid search')
                then 'paid search'
            when s.medium in ('email', 'e-mail', 'mail', 'newsletter') then 'email'
            when s.medium in ('social', 'social-network', 'social-media', 'paid_social', 'paidsocial', 'sm')
                then 'social'
            when s.medium in ('display', 'banner', 'cpm') then 'display'
            when s.medium in ('affiliate', 'affiliates') then 'affiliate'
            when s.medium = 'organic' then 'organic search'
            when s.medium = 'referral' then 'referral'
            when coalesce(s.utm_medium, s.utm_source, s.utm_campaign) is not null then 'other campaign'
            when s.referrer_host is null or s.referrer_host in ('', s.own_host) then 'direct'
            when s.referrer_host
                ~ '(^|\.)(google|bing|duckduckgo|yahoo|ecosia|qwant|startpage|baidu|yandex)\.'
                then 'organic search'
            when s.referrer_host
                ~ '(^|\.)(facebook|instagram|twitter|x|t|linkedin|pinterest|tiktok|youtube|reddit)\.(com|co)$'
                then 'social'
            else 'referral'
        end as channel,
        s.started_at,
        s.ended_at,
        s.session_date,
        s.duration_seconds,
        s.events,
        s.visits,
        s.views,
        s.searches,
        s.carts,
        s.removes,
        s.wishlists,
        s.checkouts,
        s.purchases,
        s.distinct_products_viewed,
        s.is_bounce,
        s.is_engaged,
        s.entry_page_url,
        s.exit_page_url,
        s.entry_page_type,
        s.exit_page_type,
        s.reached_view,
        s.reached_cart,
        s.reached_purchase,
        s.referrer,
        s.utm_source,
        s.utm_medium,
        s.utm_campaign,
        s.orders,
        s.net_sales,
        s.source_id
    from sessions as s
    inner join clock as k on s.session_date <= k.as_of_date
    left join devices as d on s.device_id = d.device_id
    left join identities as i on s.actor_id = i.actor_id
    left join customers as c on coalesce(s.customer_id, i.customer_id) = c.customer_id
    where not coalesce(d.is_bot, false)
)

select * from final
